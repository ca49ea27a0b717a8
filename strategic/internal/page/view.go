package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/board"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// input is what a view is made of.
type input struct {
	records    []directive.Record
	insights   []knowledge.Record
	governance governance.Record
	who        signin.Identity
	zone       *time.Location
	now        time.Time
	asOf       time.Time
	asOfText   string
}

// View is the page's content, written out.
type View struct {
	Who        string // the reader's roles
	AsOf       string // as it was asked for
	Rendered   string
	Asked      []Asked // of the reader, the most urgent first
	Goals      []GoalView
	Governance GovernanceView
	Data       []DataView
}

// Asked is one decision asked of the reader.
type Asked struct{ Goal, Anchor, Text string }

// Badge is a status as word and symbol, with the class that colours it.
type Badge struct{ Symbol, Word, Class string }

// Figure is one number with all that it rests on.
type Figure struct {
	Label, Text, Short string
	Facts              []Fact
}

// Fact is one line under a number.
type Fact struct{ Name, Text string }

// GoalView is one goal.
type GoalView struct {
	Anchor, Name, Owner, Variable, Relevance, State string
	Notes                                           []string // what to know of the data, in words
	Kind, Window                                    string
	Status                                          Badge
	BackTest                                        bool
	Value, Decided, Baseline, Target, Projection    Figure
	Deadline, Proof, ProofShort, ProofClass         string
	Model                                           string // that the value rests on; empty where it is of none
	Why, Lacks, Moved                               string // Lacks: of what the directive in force requires; empty where nothing is, or Why says it
	Ask, AskOf                                      string
	Chart                                           *Chart
	Claims                                          []ClaimView // that which the proof rests on first
	History                                         []HistoryRow
	Directive                                       *DirectiveView
}

// HistoryRow is the goal at one closed window.
type HistoryRow struct {
	Window, Value, N, Coverage, Why string
	Status                          Badge
}

var badges = map[scorecard.Status]Badge{
	scorecard.OnTrack: {"●", "", "good"}, scorecard.Achieved: {"✔", "", "good"}, scorecard.AtRisk: {"▲", "", "warn"},
	scorecard.OffTrack: {"▼", "", "bad"}, scorecard.Missed: {"✖", "", "bad"}, scorecard.NoDataYet: {"○", "", "none"}, scorecard.NotMeasurable: {"?", "", "none"},
}

func badge(s scorecard.State) Badge {
	b := badges[s.Status]
	b.Word = s.Status.Words()
	if s.Cause != "" {
		b.Word += " (" + strings.ReplaceAll(string(s.Cause), "_", " ") + ")"
	}
	return b
}

func viewOf(in input) View {
	v := View{AsOf: in.asOfText, Rendered: in.now.In(in.zone).Format("2 January 2006, 15:04:05"), Governance: governanceView(in.governance, in.zone, in.now)}
	for _, r := range in.who.Roles {
		v.Who = strings.TrimPrefix(v.Who+", "+string(r), ", ")
	}
	cards := board.Of(in.records, in.zone, in.asOf)
	type urgent struct {
		Asked
		urgency board.Urgency
	}
	var asked []urgent
	if text := in.governanceAsk(); text != "" {
		asked = append(asked, urgent{Asked{"Governance directive", "governance", text}, board.Blocked})
	}
	byID := map[contract.GoalID]*directive.Record{}
	for i := range in.records {
		byID[in.records[i].Goal.ID] = &in.records[i]
	}
	for _, c := range cards.Items {
		g := goalView(byID[c.Goal.ID], c, in)
		v.Goals = append(v.Goals, g)
		if c.Ask.Role != "" && in.who.Has(c.Ask.Role) && in.asOf.IsZero() {
			asked = append(asked, urgent{Asked{g.Name, g.Anchor, c.Ask.Text}, c.Ask.Urgency})
		}
	}
	slices.SortStableFunc(asked, func(a, b urgent) int { return cmp.Compare(a.urgency, b.urgency) })
	for _, a := range asked {
		v.Asked = append(v.Asked, a.Asked)
	}
	v.Data = dataView(in.records)
	return v
}

// governanceAsk is what the reader is asked about the governance directive.
func (in input) governanceAsk() string {
	p := in.governance.Pending()
	if !in.who.Has(signin.Executive) {
		return ""
	}
	if s := in.governance.Sent(); p == nil && s != nil && s.Expired(in.now) {
		return fmt.Sprintf("Version %d of the governance directive has expired; its rules stay in force. Propose a new version.", s.Number)
	}
	if p == nil {
		return ""
	}
	if _, err := p.NextApproval(in.who.Subject); err != nil {
		return ""
	}
	text := fmt.Sprintf("Approve version %d of the governance directive, or propose another.", p.Number)
	if in.governance.Sent() == nil {
		text += " Until two different executives have approved one, nothing may be ordered or collected."
	}
	return text
}

func goalView(r *directive.Record, c board.Card, in input) GoalView {
	s, u := c.Standing, wording.Unit{Unit: c.Standing.Unit, Currency: c.Standing.Currency}
	g := GoalView{
		Anchor: "goal-" + string(c.Goal.ID), Name: c.Goal.Name, Owner: c.Goal.Owner, Variable: strings.ReplaceAll(string(c.Goal.Variable), "_", " "),
		Relevance: c.Goal.Relevance, State: string(c.Goal.State), Status: badge(s), BackTest: s.BackTest, Deadline: wording.Day(c.Goal.Deadline),
		Why: s.Why, Lacks: s.Lacks, Moved: c.Moved, Ask: c.Ask.Text, AskOf: string(c.Ask.Role), Kind: "a level to hold at the deadline",
	}
	if c.Goal.Kind == contract.Reach {
		g.Kind = "a total to reach by the deadline"
	}
	g.Proof, g.ProofClass = proof(s)
	g.Model = s.ModelLine
	g.ProofShort, _, _ = strings.Cut(g.Proof, ":")
	n := numbers{r, s, u, in.zone}
	g.Notes = notes(r.Information, in.zone)
	g.Value, g.Decided, g.Baseline, g.Target, g.Projection = n.value(), n.decided(), n.baseline(), n.target(), n.projection()
	if s.Point != nil {
		g.Window = wording.Window(s.Point.Window, c.Goal.Grain, in.zone)
	}
	judging := r.Judging(in.zone, in.asOf)
	g.Chart = chartOf(judging, s, u)
	history := scorecard.History(judging)
	for i := len(history) - 1; i >= 0; i-- {
		g.History = append(g.History, historyRow(history[i], u, c.Goal.Grain, in.zone))
	}
	g.Claims = claimsOf(r, in)
	g.Directive = directiveView(r, in.zone, !in.asOf.IsZero())
	return g
}

func proof(s scorecard.State) (text, class string) {
	switch {
	case s.Proof == scorecard.Proven:
		return s.ProofWhy, "good"
	case s.Insight != nil && s.Insight.Verdicts.Any(contract.Fails):
		return s.ProofWhy, "bad"
	case s.Proof == scorecard.NotYet, s.Against == scorecard.Short:
		return s.ProofWhy, "none"
	}
	return s.ProofWhy, "warn"
}

func historyRow(s scorecard.State, u wording.Unit, g contract.Grain, zone *time.Location) HistoryRow {
	p := s.Point
	row := HistoryRow{Window: wording.Window(p.Window, g, zone), N: wording.Count(p.N), Value: "no value", Why: s.Why, Status: badge(s), Coverage: coverage(p)}
	if p.Value != nil {
		row.Value = plusMinus(*p, u)
	}
	return row
}

// numbers writes the numbers of one goal, each with what it rests on.
type numbers struct {
	r    *directive.Record
	s    scorecard.State
	u    wording.Unit
	zone *time.Location
}

func (n numbers) value() Figure {
	p := n.s.Point
	if p == nil {
		return Figure{Label: "Value", Text: "no closed window yet"}
	}
	f := n.defined(pointFigure("Latest value", *p, n.u, n.r.Goal.Grain, n.zone))
	if t := n.s.Trend; t != nil {
		f.Facts = append(f.Facts, Fact{"Trend", wording.Trend(*t, n.u)})
	}
	return f
}

// defined puts what the goal's number is in front of a figure's facts.
func (n numbers) defined(f Figure) Figure {
	f.Facts = append([]Fact{{"Definition", definition(n.r.Current(), n.r.Goal.Metric, n.version())}}, f.Facts...)
	return f
}

func (n numbers) version() string {
	if i := n.r.Information; i != nil {
		return i.Version
	}
	return ""
}

// decided is the value that the goal was decided with; empty before.
func (n numbers) decided() Figure {
	v := n.s.Decided
	if v == nil {
		return Figure{}
	}
	label := "Decided on " + wording.Day(v.On)
	if i := n.r.Information; i != nil {
		for _, p := range i.Series {
			if p.Window.Start.Equal(v.Window.Start) && p.Revision == v.Revision && p.Value != nil {
				return n.defined(pointFigure(label, p, n.u, n.r.Goal.Grain, n.zone))
			}
		}
	}
	w := wording.Window(v.Window, n.r.Goal.Grain, n.zone)
	facts := []Fact{{"Window", w}}
	if v.N > 0 {
		facts = append(facts, Fact{"n", wording.Count(v.N)})
	}
	return n.defined(Figure{Label: label, Text: n.u.Value(v.Value), Short: w, Facts: append(facts,
		Fact{"Measurement", fmt.Sprintf("%s, revision %d, since measured again", v.Measurement, v.Revision)})})
}

// definition says what a number is, as the directive's plan has it.
func definition(d *directive.Directive, id contract.MetricID, version string) string {
	text := strings.TrimSpace(string(id) + " " + version)
	if d != nil && d.Answer != nil && d.Answer.Plan != nil {
		for _, m := range d.Answer.Plan.Metrics {
			if m.ID == id {
				return m.Label + " (" + text + "). " + m.Description + " Owner of the definition: " + m.Owner
			}
		}
	}
	return text
}

func (n numbers) baseline() Figure {
	b := n.s.Baseline
	if b == nil {
		return Figure{Label: "Baseline", Text: "measured until " + wording.Day(n.r.Goal.Baseline.MeasureUntil)}
	}
	f := Figure{Label: "Baseline", Text: n.u.Value(b.Value)}
	if b.Window == nil {
		f.Facts, f.Short = []Fact{{"Origin", "given when the goal was set; it was not measured, so it has no window and no n"}}, "given"
		return n.defined(f)
	}
	f.Short = wording.Window(*b.Window, n.r.Goal.Grain, n.zone) + ", n " + wording.Count(b.N)
	f.Facts = []Fact{
		{"Window", wording.Window(*b.Window, n.r.Goal.Grain, n.zone)}, {"n", wording.Count(b.N)},
		{"Frozen", fmt.Sprintf("with revision %d of measurement %s", b.Revision, b.Measurement)},
	}
	if b.StdErr != nil {
		f.Facts = append(f.Facts, Fact{"Standard error", n.u.Width(*b.StdErr)})
	}
	return n.defined(f)
}

func (n numbers) target() Figure {
	g := n.r.Goal
	said := ""
	switch t := g.Target; {
	case t.Relative != nil:
		said = wording.Relative(1, 1+*t.Relative) + " on the baseline"
	case t.Delta != nil:
		said = n.u.Change(*t.Delta) + " on the baseline"
	default:
		said = "as given"
	}
	f := Figure{Label: "Target", Text: said, Facts: []Fact{{"Set as", said}, {"Better", string(g.Direction)}, {"Judged", "in the window that ends on " + wording.Day(g.Deadline)}}}
	if n.s.Target != nil {
		f.Text, f.Short = n.u.Value(*n.s.Target), said
	}
	if n.s.Progress != nil {
		f.Facts = append(f.Facts, Fact{"Progress", wording.Percent(*n.s.Progress) + " of the way, after " + wording.Percent(*n.s.Elapsed) + " of the time"})
	}
	return n.defined(f)
}

func (n numbers) projection() Figure {
	p := n.s.Projection
	if p == nil {
		text := "none: too few windows"
		if n.s.Status.Decided() || n.s.AsOf != nil && !n.s.AsOf.Before(n.r.Goal.Deadline.End(n.zone)) {
			text = "none: the deadline has passed"
		}
		return Figure{Label: "Projection", Text: text}
	}
	half := (p.High - p.Low) / 2
	return n.defined(Figure{Label: "Projection", Text: n.u.Value(p.Value) + " ± " + n.u.Bare(half), Short: "at " + wording.Day(p.At), Facts: []Fact{
		{"Window", "the one that ends on " + wording.Day(p.At)}, {"Rests on", n.seen()},
		{"95 % prediction interval", n.u.Value(p.Low) + " to " + n.u.Value(p.High)}, {"How", wording.Method(p.How) + "; shown, never used to judge"},
	}})
}

// seen says on how much a projection rests: the closed windows that have a value, with n of the newest.
func (n numbers) seen() string {
	windows := 0
	for _, p := range n.r.Information.Series {
		if p.Closed && p.Value != nil && !p.Window.End.After(*n.s.AsOf) {
			windows++
		}
	}
	return fmt.Sprintf("the closed windows so far, %s with a value; n of the newest: %s", wording.Count(int64(windows)), wording.Count(n.s.Point.N))
}

// pointFigure writes a window's value with window, n, standard error, interval and coverage.
func pointFigure(label string, p contract.Point, u wording.Unit, g contract.Grain, zone *time.Location) Figure {
	w := wording.Window(p.Window, g, zone)
	f := Figure{Label: label, Text: "no value", Short: w + ", n " + wording.Count(p.N)}
	if p.Value != nil {
		f.Text = plusMinus(p, u)
	} else if p.Reason != nil {
		f.Text = "no value: " + wording.Reason(*p.Reason)
	}
	f.Facts = []Fact{{"Window", w}, {"n", wording.Count(p.N) + validN(p.N)}}
	if p.StdErr != nil {
		f.Facts = append(f.Facts, Fact{"Standard error", u.Width(*p.StdErr)})
	}
	if low, high, ok := scorecard.Interval(p); ok {
		f.Facts = append(f.Facts, Fact{"95 % interval", u.Value(low) + " to " + u.Value(high)})
	}
	f.Facts = append(f.Facts, Fact{"Coverage", coverage(&p)}, Fact{"As of", p.AsOf.In(zone).Format("2 January 2006, 15:04")},
		Fact{"Measurement", fmt.Sprintf("%s, revision %d", p.Measurement, p.Revision)})
	return f
}

func validN(n int64) string {
	if n < 30 {
		return " (fewer than 30: shown, decides nothing)"
	}
	return ""
}

func plusMinus(p contract.Point, u wording.Unit) string {
	text := u.Value(*p.Value)
	if low, high, ok := scorecard.Interval(p); ok {
		text += " ± " + u.Bare((high-low)/2)
	}
	return text
}

func coverage(p *contract.Point) string {
	if len(p.Coverage) == 0 {
		return "not stated"
	}
	byShare := map[string][]string{}
	for name, share := range p.Coverage {
		text := wording.Percent(share)
		byShare[text] = append(byShare[text], words(string(name)))
	}
	var parts []string
	for share, names := range byShare {
		slices.Sort(names)
		parts = append(parts, strings.Join(names, ", ")+" "+share)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// Figures returns the numbers of the goal in the order in which they are read.
func (g GoalView) Figures() []Figure {
	if g.Decided.Label != "" {
		return []Figure{g.Decided, g.Value, g.Baseline, g.Target}
	}
	return []Figure{g.Value, g.Baseline, g.Target, g.Projection}
}

// placed is a figure with an id of its own, so that what was open stays open when the page renews itself.
type placed struct {
	ID string
	Figure
}

// On places the figure on a part of the page.
func (f Figure) On(anchor string, n int) placed { return placed{fmt.Sprintf("%s-f%d", anchor, n), f} }

// owned is a directive with the part of the page that it is on.
type owned struct {
	Anchor    string
	Directive *DirectiveView
}

// On places the directive on a part of the page.
func (d *DirectiveView) On(anchor string) owned { return owned{anchor, d} }

// notes puts into words what a reader must know of a goal's data.
func notes(i *contract.Information, zone *time.Location) []string {
	if i == nil {
		return nil
	}
	return wording.Notes(i.Notes, zone)
}
