package wording

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Questions returns the five that are asked of every insight, in the order in which they are shown.
func Questions() []contract.Question {
	return []contract.Question{contract.Volume, contract.VelocityOf, contract.Variety, contract.Variability, contract.Veracity}
}

// Asks says what one of the five asks of an insight.
func Asks(q contract.Question) string {
	return map[contract.Question]string{
		contract.Volume: "Does it stand when more data arrive?", contract.VelocityOf: "Does it stand a bit later?",
		contract.Variety: "Does it stand when some formats are left out?", contract.Variability: "Does it stand though customers differ much?",
		contract.Veracity: "Does it stand when some data come from unknown sources?",
	}[q]
}

// Name writes one of the five, or any code, as a name.
func Name(code string) string {
	text := strings.ReplaceAll(code, "_", " ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// VerdictOf returns the verdict on one of the five; not enough data where none was given.
func VerdictOf(v contract.Verdicts, q contract.Question) contract.Verdict {
	verdict := map[contract.Question]contract.Verdict{
		contract.Volume: v.Volume, contract.VelocityOf: v.Velocity, contract.Variety: v.Variety, contract.Variability: v.Variability, contract.Veracity: v.Veracity,
	}[q]
	if verdict == "" {
		return contract.NotEnoughData
	}
	return verdict
}

// Words writes a verdict as it stands beside a lamp.
func Words(v contract.Verdict) string { return strings.ReplaceAll(string(v), "_", " ") }

// With returns those of the five that have the verdict, by name.
func With(v contract.Verdicts, verdict contract.Verdict) []string {
	var names []string
	for _, q := range Questions() {
		if VerdictOf(v, q) == verdict {
			names = append(names, Name(string(q)))
		}
	}
	return names
}

// Listed writes names as a person lists them.
func Listed(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// Claim says what an insight claims, without its value.
func Claim(i *contract.Insight) string {
	name := i.Label
	if name == "" {
		name = Name(string(i.Metric))
	}
	switch i.Kind {
	case contract.DifferenceInsight:
		return fmt.Sprintf("%s, %s against %s", name, group(i.Scope), group(i.Against))
	case contract.ChangeInsight:
		name = "Change of " + lower(name)
	case contract.ForecastInsight:
		name = "Forecast of " + lower(name)
	case contract.MoverInsight:
		name = "What moved " + lower(name)
		if i.Group != "" {
			name += ": " + strings.ReplaceAll(i.Group, "_", " ")
		}
	}
	if i.Scope != nil {
		name += ", among " + group(i.Scope)
	}
	return name
}

// lower begins a name with a small letter, unless it begins with an abbreviation.
func lower(name string) string {
	if len(name) > 1 && strings.ToUpper(name[:2]) != name[:2] {
		return strings.ToLower(name[:1]) + name[1:]
	}
	return name
}

func group(c *contract.Condition) string {
	if c == nil {
		return "all customers"
	}
	if b, ok := c.Value.(bool); ok && c.Op == contract.Eq {
		return map[bool]string{true: "customers who are ", false: "customers who are not "}[b] + strings.ReplaceAll(c.Field, "_", " ")
	}
	return "customers with " + Condition(*c)
}

// Condition says in words what a condition selects.
func Condition(c contract.Condition) string {
	switch {
	case len(c.All) > 0:
		return joined(c.All, " and ")
	case len(c.Any) > 0:
		return joined(c.Any, " or ")
	case c.Not != nil:
		return "not (" + Condition(*c.Not) + ")"
	}
	field := strings.ReplaceAll(c.Field, "_", " ")
	if list, ok := c.List(); ok {
		var vs []string
		for _, v := range list {
			vs = append(vs, fmt.Sprint(v))
		}
		return field + " in " + strings.Join(vs, ", ")
	}
	if c.Op == contract.Exists {
		return map[bool]string{true: "a known " + field, false: "no known " + field}[c.Value == true]
	}
	op := map[contract.Operator]string{
		contract.Eq: "=", contract.Ne: "≠", contract.Gt: ">", contract.Gte: "≥", contract.Lt: "<", contract.Lte: "≤",
	}[c.Op]
	return fmt.Sprintf("%s %s %s", field, op, value(c.Value))
}

func value(v any) string {
	if b, ok := v.(bool); ok {
		return map[bool]string{true: "yes", false: "no"}[b]
	}
	return fmt.Sprint(v)
}

func joined(cs []contract.Condition, by string) string {
	var parts []string
	for _, c := range cs {
		text := Condition(c)
		if len(c.All)+len(c.Any) > 0 {
			text = "(" + text + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, by)
}

// signed reports whether an insight's value is a difference, which is shown with its sign.
func signed(k contract.InsightKind) bool {
	return slices.Contains([]contract.InsightKind{contract.DifferenceInsight, contract.ChangeInsight, contract.MoverInsight}, k)
}

func unitOf(i *contract.Insight) Unit { return Unit{i.Unit, i.Currency} }

// number writes a value of the insight's.
func number(i *contract.Insight, v float64) string {
	if signed(i.Kind) {
		return unitOf(i).Change(v)
	}
	return unitOf(i).Value(v)
}

// InsightValue writes an insight's value with half the width of its interval, or why there is none.
func InsightValue(i *contract.Insight) string {
	if i.Withheld != nil || i.State == contract.InsightCandidate {
		return "No value yet: " + withheld(i)
	}
	if i.State == contract.InsightExpired && i.N == 0 {
		return "No value any more: it is examined no longer"
	}
	if i.HalfWidth == 0 {
		return number(i, i.Value)
	}
	return number(i, i.Value) + " ± " + unitOf(i).Bare(i.HalfWidth)
}

// withheld says why an insight has no value.
func withheld(i *contract.Insight) string {
	w := i.Withheld
	switch {
	case w == nil:
		return "it is still being examined"
	case w.Code == fault.NoData && w.Item == "incomplete":
		return "a part of what happened in its first window is still to come, by how late data came so far: it is claimed once 99 % of it has come"
	case w.Code == fault.Validity && w.Item == "read_most":
		return "one look reads no more customers, and its interval is still wider than half its tolerance: allow it to move further, or let looks read more"
	case w.Code == fault.Validity:
		return "its interval is still wider than half its tolerance, so it takes more customers"
	case strings.HasSuffix(w.Item, ".distinct"):
		return "how many different values there are cannot be told from a part of the customers: those who were not read may bring new ones. It is " +
			"measured in full instead"
	case strings.HasSuffix(w.Item, ".to_date"):
		return "what has come together since a period began, or ever, grows with every day, so it cannot be claimed to stand. It is measured as it is; " +
			"claim what comes in a window instead"
	case strings.HasSuffix(w.Item, ".percentile"):
		return "a percentile is claimed by its rank, and the ranks of two groups have no difference"
	case w.Code == fault.UnsupportedFeature:
		return "such a claim cannot be made of this metric"
	case guards[w.Item] != "":
		return guards[w.Item]
	case w.Code == fault.LowSample && w.Have != nil && w.Need != nil:
		return fmt.Sprintf("too few customers so far (%s of the %s that are needed)", Decimal(*w.Have, 0, 0), Decimal(*w.Need, 0, 0))
	case w.Code == fault.LowSample:
		return "too few customers so far"
	}
	return Reason(*w)
}

// guards say what keeps a value from being published, by the reasons of package validity.
var guards = map[string]string{
	"one_dominates":  "a single customer makes so much of the differences that nothing can be claimed yet",
	"read_whole":     "so small a base must be read whole first",
	"undefined":      "there is nothing to divide by yet",
	"curved":         "its formula bends too much within what is still uncertain, so it takes more customers",
	"tail_too_small": "too few customers make up its top 1 %",
}

// Sample says how many customers an insight was read from.
func Sample(i *contract.Insight) string {
	switch {
	case i.N <= 0: // fewer than a group that is told of
		return "few customers"
	case i.Of <= 0:
		return Count(i.N) + " customers"
	case i.N >= i.Of:
		return "all " + Count(i.Of) + " customers"
	}
	return Count(i.N) + " of " + Count(i.Of) + " customers"
}

// Effect writes by how much a value moves, with its sign: in the unit where the insight's tolerance is, else as a share of
// the value.
func Effect(i *contract.Insight, v float64) string {
	if i.Rank != nil {
		return signedBy(v, ranks(v))
	}
	if i.Absolute {
		return unitOf(i).Change(v)
	}
	return Signed(v)
}

// ranks writes how far a percentile lies from where it was among all numbers, without a sign.
func ranks(v float64) string { return Decimal(100*math.Abs(v), 0, 1) + " ranks of 100" }

func signedBy(v float64, text string) string {
	switch {
	case text == ranks(0):
		return text
	case v < 0:
		return Minus + text
	}
	return "+" + text
}

// Signed writes a share as percent with its sign.
func Signed(v float64) string {
	text := Percent(math.Abs(v))
	switch {
	case text == Percent(0):
		return text
	case v < 0:
		return Minus + text
	}
	return "+" + text
}

// Margin writes half the width of an interval around an effect.
func Margin(i *contract.Insight, v float64) string {
	if i.Rank != nil {
		return ranks(v)
	}
	if i.Absolute {
		return unitOf(i).Width(math.Abs(v))
	}
	return Percent(math.Abs(v))
}

// Tolerance says within what an insight's value is claimed to stand.
func Tolerance(i *contract.Insight) string {
	if i.Rank != nil {
		return "± " + ranks(i.Tolerance)
	}
	if i.Absolute {
		return "± " + unitOf(i).Width(i.Tolerance)
	}
	return "± " + Percent(i.Tolerance) + " of it"
}

// Cap says that each customer counts up to a cap only; empty where there is none.
func Cap(i *contract.Insight) string {
	if i.Cap == nil {
		return ""
	}
	text := "Each customer counts up to " + unitOf(i).Value(*i.Cap)
	if i.AboveCap != nil {
		text += "; " + Percent(*i.AboveCap) + " of the total lies above"
	}
	return text + "."
}

// ShelfLife returns until about when an insight stays within its tolerance, were it to go on as it does; false where
// nothing points to an end.
func ShelfLife(i *contract.Insight) (time.Time, bool) {
	if i.ShelfLife == nil || *i.ShelfLife < 0 || math.IsInf(*i.ShelfLife, 0) || math.IsNaN(*i.ShelfLife) || len(i.Windows) == 0 {
		return time.Time{}, false
	}
	const longest = 20 * 365 * 24 * time.Hour // beyond that nobody plans, and a date would pretend to know
	last := i.Windows[len(i.Windows)-1].Window
	left := *i.ShelfLife * float64(last.End.Sub(last.Start))
	if left > float64(longest) {
		return time.Time{}, false
	}
	return last.End.Add(time.Duration(left)), true
}

// KnowledgeState is what the strategic layer made of an insight.
type KnowledgeState string

// The states of knowledge.
const (
	NotYetKnowledge  KnowledgeState = "candidate"
	IsKnowledge      KnowledgeState = "knowledge"
	TakenBack        KnowledgeState = "taken_back"
	ExpiredKnowledge KnowledgeState = "expired"
)

// Standing is what became of an insight in the strategic layer.
type Standing struct {
	State KnowledgeState `json:"state"`
	Since time.Time      `json:"since"`           // of the state
	Rules int            `json:"rules,omitempty"` // version of the company's rules by which it was decided; 0: not known
	Why   string         `json:"why,omitempty"`   // of the last change, where no verdict says it
}

// Knowledge says in a line whether an insight is knowledge: since when, by which version of the company's rules, and if
// not, why.
func Knowledge(k Standing, i *contract.Insight, zone *time.Location) string {
	day, v := k.Since.In(zone).Format("2 January 2006"), i.Verdicts
	switch k.State {
	case IsKnowledge:
		text := "Knowledge since " + day
		if k.Rules > 0 {
			text += fmt.Sprintf(" (policy v%d)", k.Rules)
		}
		if weak := With(v, contract.Weakening); len(weak) > 0 {
			text += "; " + Listed(weak) + " " + verb(weak, "weakens", "weaken")
		}
		return text
	case TakenBack:
		if fell := With(v, contract.Fails); len(fell) > 0 {
			return "Not knowledge: " + Listed(fell) + " failed, owner informed"
		}
		if k.Why == "" {
			return "Not knowledge since " + day + ", owner informed"
		}
		return "Not knowledge since " + day + ": " + k.Why + ", owner informed"
	case ExpiredKnowledge:
		return "No longer examined since " + day
	}
	if i.State == contract.InsightCandidate {
		return "Not knowledge yet: " + withheld(i)
	}
	return "Not knowledge yet: " + lacking(v)
}

func lacking(v contract.Verdicts) string {
	var parts []string
	for _, x := range []struct {
		verdict   contract.Verdict
		one, many string
	}{
		{contract.Fails, "failed", "failed"}, {contract.Weakening, "weakens", "weaken"}, {contract.NotEnoughData, "lacks data", "lack data"},
	} {
		if names := With(v, x.verdict); len(names) > 0 {
			parts = append(parts, Listed(names)+" "+verb(names, x.one, x.many))
		}
	}
	if len(parts) == 0 {
		return "policy has not accepted it"
	}
	return strings.Join(parts, ", ")
}

func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}
