package wording

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Sentence answers one of the five questions about an insight in one or two plain sentences: what was found, against
// what is allowed. It never speaks of probabilities.
func Sentence(q contract.Question, i *contract.Insight, zone *time.Location) string {
	if i.State == contract.InsightCandidate {
		return "Not asked yet, since nothing is claimed: " + withheld(i) + "."
	}
	if i.State == contract.InsightExpired && i.N == 0 {
		return "It is examined no longer; the last verdict was: " + Words(VerdictOf(i.Verdicts, q)) + "."
	}
	s := sentence{i, finding(q, i), zone}
	verdict := VerdictOf(i.Verdicts, q)
	if verdict == contract.NotEnoughData {
		return s.notEnough(q) + s.waits()
	}
	say := map[contract.Question]func(contract.Verdict) string{
		contract.Volume: s.volume, contract.VelocityOf: s.velocity, contract.Variety: s.variety, contract.Variability: s.variability, contract.Veracity: s.veracity,
	}[q]
	text := say(verdict)
	if verdict == contract.Fails && s.f.Verdict != "" && s.f.Verdict != contract.Fails {
		text += " What has fallen stays fallen until the claim is published anew."
	}
	return text + s.waits()
}

// Anew says why a claim was published anew last, to be written behind how often; nothing where it was not, or nobody knows.
func Anew(i *contract.Insight) string {
	switch {
	case i.Republished == 0 || i.Anew == "":
		return ""
	case i.Anew == "expired":
		return ", last because data that it was compared with may not be kept any longer"
	}
	return ", last because " + Name(i.Anew) + " had failed"
}

// waits says that the next window has ended and is waited for.
func (s sentence) waits() string {
	if s.f.Arrived == nil {
		return ""
	}
	return " The next window has ended, and about " + Percent(*s.f.Arrived) + " of its facts have come; it is judged once 99 % have."
}

func finding(q contract.Question, i *contract.Insight) contract.Finding {
	for _, f := range i.Findings {
		if f.Question == q {
			return f
		}
	}
	return contract.Finding{Question: q}
}

// sentence is one answer in the making.
type sentence struct {
	i    *contract.Insight
	f    contract.Finding
	zone *time.Location
}

// size writes a finding's effect, margin or band.
func (s sentence) size(x float64) string { return Margin(s.i, x) }

// band writes what is allowed.
func (s sentence) band() string {
	if s.f.Band == 0 {
		return strings.TrimPrefix(Tolerance(s.i), "± ")
	}
	return s.size(s.f.Band)
}

// allowed writes the tolerance of the statement.
func (s sentence) allowed() string {
	if s.i.Rank != nil {
		return "± " + ranks(s.i.Tolerance)
	}
	if s.i.Absolute {
		return "± " + unitOf(s.i).Width(s.i.Tolerance)
	}
	return "± " + Percent(s.i.Tolerance)
}

// newcomers writes by how much customers to come may move the value: as a part of what is allowed, whatever the unit in
// which the finding tells of both.
func (s sentence) newcomers() string {
	if s.f.Band <= 0 {
		return "more than is allowed"
	}
	return Margin(s.i, s.f.Margin/s.f.Band*s.i.Tolerance)
}

func (s sentence) volume(v contract.Verdict) string {
	read, published := InsightValue(s.i)+" after "+Sample(s.i), number(s.i, s.i.Published)
	moved := unitOf(s.i).Width(math.Abs(s.i.Value - s.i.Published))
	if s.i.Rank != nil {
		moved = ranks(s.f.Effect)
	}
	switch {
	case v == contract.Holds:
		return fmt.Sprintf("%s; more customers like these will not take it beyond the %s allowed around the %s that was published.", read, s.allowed(), published)
	case v == contract.Fails:
		return fmt.Sprintf("%s, when %s was published: more data moved it by %s, and %s was allowed.", read, published, moved, s.allowed())
	case s.f.Why == "newcomers_may_move":
		return fmt.Sprintf("%s: exact for today, but newcomers may move it by %s, and %s is allowed.", read, s.newcomers(), s.allowed())
	}
	return fmt.Sprintf("%s: it may lie further from the %s that was published than the %s allowed; more customers will tell.", read, published, s.allowed())
}

// later says how a closed window lies against the baseline, which for a forecast is the forecast.
func (s sentence) later(effect float64) string {
	than := "the baseline"
	if s.i.Kind == contract.ForecastInsight {
		than = "the forecast"
	}
	switch {
	case effect == 0:
		return "just on " + than
	case effect < 0:
		return s.size(effect) + " below " + than
	}
	return s.size(effect) + " above " + than
}

// lastWindow names the last window that has closed since publication.
func (s sentence) lastWindow() string {
	if n := len(s.i.Windows); n > 0 {
		return Window(s.i.Windows[n-1].Window, s.i.Grain, s.zone)
	}
	return "the last closed window"
}

func (s sentence) velocity(v contract.Verdict) string {
	if s.f.Hidden {
		return s.untold(v)
	}
	found := s.lastWindow() + " was " + s.later(s.f.Effect)
	switch {
	case v == contract.Holds:
		if end, ok := ShelfLife(s.i); ok {
			return fmt.Sprintf("Valid until about %s: %s, and %s is allowed.", end.In(s.zone).Format("2 January 2006"), found, s.band())
		}
		return fmt.Sprintf("Valid, and nothing points to an end: %s, and %s is allowed.", found, s.band())
	case v == contract.Fails:
		return fmt.Sprintf("Fails%s: %s, when %s was allowed.", s.nth(), found, s.band())
	case s.f.Why == "evidence_mounts":
		return fmt.Sprintf("Evidence against it mounts, though it is not enough yet: %s, and %s is allowed.", found, s.band())
	}
	return fmt.Sprintf("%s, give or take %s, so it may lie beyond the %s allowed.", Name(found), s.size(s.f.Margin), s.band())
}

// untold answers for velocity where too few customers did anything in the last window for its numbers to be told.
func (s sentence) untold(v contract.Verdict) string {
	const why = ": too few customers did anything in the last window for its numbers to be told"
	switch v {
	case contract.Holds:
		return "Valid" + why + "; they lie within the " + s.band() + " allowed."
	case contract.Fails:
		return "Fails" + s.nth() + why + "."
	}
	return "It may lie beyond the " + s.band() + " allowed" + why + "."
}

var ordinals = []string{"", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"}

// nth says by which window since publication it was proven false.
func (s sentence) nth() string {
	n := s.f.Windows
	switch {
	case n == 0:
		return ""
	case n < len(ordinals):
		return " by the " + ordinals[n] + " window since it was published"
	}
	return " by window " + Count(int64(n)) + " since it was published"
}

var formats = map[string]string{
	"call": "event calls", "file": "files", "survey": "surveys", "text": "texts", "other": "the small formats together",
}

// Format names a way in which facts came.
func Format(code string) string {
	if text := formats[code]; text != "" {
		return text
	}
	return strings.ReplaceAll(code, "_", " ")
}

// LeftOut names a part that variety leaves out: a format, a source, or customers of one time.
func LeftOut(i *contract.Insight, l contract.Left) string {
	switch {
	case l.Format == "other" && i.LeftOut == contract.BySource:
		return "the small sources together"
	case l.Format == "other" && i.LeftOut == contract.ByCohort:
		return "the small groups together"
	case i.LeftOut == contract.BySource:
		return "the source " + l.Format
	case i.LeftOut == contract.ByCohort:
		return "customers " + came(l.Format)
	}
	return Format(l.Format)
}

// came says when customers of a cohort came: 1997, 1997-q1, 1997-01, or until-1997 of the oldest.
func came(cohort string) string {
	if year, ok := strings.CutPrefix(cohort, "until-"); ok {
		return "who came up to " + year
	}
	if year, quarter, ok := strings.Cut(cohort, "-q"); ok {
		return "who came in quarter " + quarter + " of " + year
	}
	if month, err := time.Parse("2006-01", cohort); err == nil {
		return "who came in " + month.Format("January 2006")
	}
	return "who came in " + cohort
}

// instead says what was left out where no two formats could be. That all came in one would be more than is known: there may be others
// of fewer customers than may be told of.
func (s sentence) instead() string {
	switch s.i.LeftOut {
	case contract.BySource:
		return "No two formats are large enough to leave one out, so sources are left out instead. "
	case contract.ByCohort:
		return "No two formats and no two sources are large enough to leave one out, so customers of one time are left out instead. "
	}
	return ""
}

// decision says whether leaving a part out changes on which side of the goal's target the value lies, as far as that is known.
func (s sentence) decision() string {
	far, known := s.toTarget()
	if !known {
		return ""
	}
	target := unitOf(s.i).Value(*s.i.Target)
	var names []string
	sure, stays := true, len(s.i.Formats) > 1 && !s.f.Hidden
	for _, l := range s.i.Formats {
		towards := l.Effect
		if far < 0 {
			towards = -l.Effect
		}
		stays = stays && towards+l.Margin < math.Abs(far)
		if l.Tips {
			names = append(names, LeftOut(s.i, l))
			sure = sure && towards-l.Margin > math.Abs(far)
		}
	}
	switch {
	case len(names) > 0 && sure:
		return " Without " + Listed(names) + " it would lie on the other side of the goal's target of " + target + ": the decision hangs on that."
	case len(names) > 0:
		return " Without " + Listed(names) + " it may lie on the other side of the goal's target of " + target + ": the decision may hang on that."
	case stays:
		return " Without any of them it stays on its side of the goal's target of " + target + "."
	}
	return ""
}

// toTarget is how far the goal's target lies from the value, in the unit of effects; unknown where there is none, where the two are
// not comparable, and while the value's interval does not lie on one side of it.
func (s sentence) toTarget() (far float64, known bool) {
	if s.i.Target == nil || s.i.Rank != nil {
		return 0, false
	}
	if far = *s.i.Target - s.i.Value; !(math.Abs(far) > s.i.HalfWidth) {
		return 0, false
	}
	if s.i.Absolute {
		return far, true
	}
	return far / math.Abs(s.i.Value), s.i.Value != 0
}

// explains reports whether what is told of the parts is why the verdict is what it is.
func (s sentence) explains(v contract.Verdict) bool {
	allowed := s.most()
	some := func(is func(contract.Left) bool) bool { return slices.ContainsFunc(s.i.Formats, is) }
	switch {
	case !s.f.Hidden:
		return true
	case v == contract.Holds, s.f.Why == "unparsed_facts":
		return len(s.i.Formats) > 0
	case s.f.Why == "decision_tips":
		return some(func(l contract.Left) bool { return l.Tips })
	case s.f.Why == "format_contradicts":
		return some(func(l contract.Left) bool { return l.Contradicts })
	case v == contract.Fails, s.f.Why == "segment_disagrees":
		return some(func(l contract.Left) bool { return math.Abs(l.Effect) > allowed })
	}
	return some(func(l contract.Left) bool { return math.Abs(l.Effect)+l.Margin > allowed })
}

// most is the number that band writes.
func (s sentence) most() float64 {
	if s.f.Band == 0 {
		return s.i.Tolerance
	}
	return s.f.Band
}

// unnamed says what is known where the part that counts is too small to be told of.
func (s sentence) unnamed(v contract.Verdict) string {
	const part = "a part of it that is too small to be told of"
	switch {
	case v == contract.Holds:
		return "Whichever part of it is left out, it moves by no more than the " + s.band() + " allowed."
	case s.f.Why == "unparsed_facts":
		return "Facts that could not be read may hide a larger difference between its parts than the " + s.band() + " allowed."
	case s.f.Why == "decision_tips":
		return "Without " + part + " it may lie on the other side of the goal's target."
	case s.f.Why == "format_contradicts":
		return Name(part) + " disagrees but weighs little."
	case v == contract.Fails: // now, or before
		return "Leaving out " + part + " moved it by more than the " + s.band() + " allowed."
	case s.f.Why == "segment_disagrees":
		return "Leaving out " + part + " moves it by more than the " + s.band() + " allowed."
	}
	return "Leaving out " + part + " may move it by more than the " + s.band() + " allowed."
}

// widest returns the format whose absence moves the value most.
func (s sentence) widest() (contract.Left, bool) {
	var w contract.Left
	for n, l := range s.i.Formats {
		if n == 0 || math.Abs(l.Effect) > math.Abs(w.Effect) {
			w = l
		}
	}
	return w, len(s.i.Formats) > 0
}

func (s sentence) variety(v contract.Verdict) string {
	return s.instead() + s.leaving(v) + s.decision()
}

func (s sentence) leaving(v contract.Verdict) string {
	if !s.explains(v) {
		return s.unnamed(v)
	}
	w, known := s.widest()
	name := "a format"
	effect, margin := s.f.Effect, s.f.Margin
	if known {
		name = LeftOut(s.i, w)
		if effect == 0 {
			effect, margin = w.Effect, w.Margin
		}
	}
	moves := "Leaving out " + name + " would move it by " + s.size(effect)
	switch {
	case v == contract.Holds:
		return moves + "; " + s.band() + " is allowed."
	case v == contract.Fails && math.Abs(effect) <= s.most():
		return "Failed before; leaving out " + name + " now moves it by " + s.size(effect) + ", and " + s.band() + " is allowed."
	case v == contract.Fails:
		return "Leaving out " + name + " moves it by " + s.size(effect) + ", when " + s.band() + " was allowed."
	case s.f.Why == "decision_tips":
		return moves + "; " + s.band() + " is allowed."
	case s.f.Why == "segment_disagrees":
		return "Leaving out " + name + " moves it by " + s.size(effect) + ", and " + s.band() + " is allowed: it is not the same for all."
	case s.f.Why == "format_contradicts":
		return moves + "." + s.contradiction()
	case s.f.Why == "unparsed_facts":
		return moves + ", but facts that could not be read may hide a larger difference between formats."
	}
	return fmt.Sprintf("%s, give or take %s, so it may be more than the %s allowed.", moves, s.size(margin), s.band())
}

func (s sentence) contradiction() string {
	var parts []string
	for _, l := range s.i.Formats {
		if !l.Contradicts {
			continue
		}
		parts = append(parts, fmt.Sprintf(" %s disagree (%s) but weigh %s.", Name(LeftOut(s.i, l)), Effect(s.i, l.Gap), Percent(l.Share)))
	}
	return strings.Join(parts, "")
}

// tailLimit separates the two parts of variability: the fall without the tail may be at most 0.15, the spread's log at most
// that of two.
const tailLimit = 0.15

func (s sentence) variability(v contract.Verdict) string {
	ofSpread := s.f.Band > 2*tailLimit
	switch {
	case v == contract.Holds:
		return s.tail() + s.spread()
	case ofSpread && s.f.Hidden:
		return "Customers may differ more than ×2 as much as they did: too few did anything in the last window for its numbers to be told." + s.tailToo()
	case ofSpread && v == contract.Fails:
		return fmt.Sprintf("Customers now differ %s as much as they did, when ×2 was allowed.%s", s.times(), s.tailToo())
	case ofSpread:
		return fmt.Sprintf("Customers now differ %s as much as they did; ×2 is allowed, and it may be more.%s", s.times(), s.tailToo())
	case v == contract.Fails:
		return fmt.Sprintf("Without the top 1 %% of customers %s falls by %s, when %s was allowed: it tells of a few.", s.ofWhat(), Percent(math.Abs(s.f.Effect)), Percent(s.f.Band))
	}
	return fmt.Sprintf("Without the top 1 %% of customers %s falls by %s, give or take %s, so it may be more than the %s allowed.",
		s.ofWhat(), Percent(math.Abs(s.f.Effect)), Percent(s.f.Margin), Percent(s.f.Band))
}

func (s sentence) tail() string {
	if s.i.Tail == nil {
		return "It does not hang on a few customers."
	}
	return "The top 1 % of customers carry " + Percent(s.i.Tail.Fall) + " of " + s.ofWhat() + "."
}

// ofWhat names the value that customers were taken out of.
func (s sentence) ofWhat() string {
	if s.i.Tail != nil && s.i.Tail.Against {
		return "what it is compared with"
	}
	return "it"
}

func (s sentence) tailToo() string {
	if s.i.Tail == nil {
		return ""
	}
	return " " + s.tail()
}

func (s sentence) spread() string {
	if s.i.Tail == nil || s.i.Tail.Spread == nil {
		return ""
	}
	return " Spread is normal (" + times(*s.i.Tail.Spread) + ")."
}

func (s sentence) times() string {
	if s.i.Tail != nil && s.i.Tail.Spread != nil {
		return times(*s.i.Tail.Spread)
	}
	return times(math.Exp(s.f.Effect))
}

func times(x float64) string { return "×" + Decimal(x, 0, 1) }

func (s sentence) veracity(v contract.Verdict) string {
	u := s.i.Unknown
	from := "Some of it comes"
	if u != nil {
		from = Percent(u.Share) + " comes"
	}
	switch {
	case v == contract.Fails:
		return fmt.Sprintf("%s from unknown sources; leaving them out moves it by %s, when %s was allowed.", from, s.size(s.f.Effect), s.band())
	case v == contract.Holds && (u == nil || u.Share == 0):
		return "All of it comes from verified sources."
	case u != nil && u.Tipping != nil && (v == contract.Holds || s.f.Why == "unverified_sources"):
		return fmt.Sprintf("%s from unknown sources; they would have to be wrong by %s to change the conclusion%s.", from, Percent(*u.Tipping), s.across())
	case v == contract.Holds:
		return from + " from unknown sources; without them it stays within the " + s.band() + " allowed."
	}
	return fmt.Sprintf("%s from unknown sources; leaving them out would move it by %s, give or take %s, so it may be more than the %s allowed.",
		from, s.size(s.f.Effect), s.size(s.f.Margin), s.band())
}

// across says how wrong unknown sources would have to be for the value to lie on the other side of the goal's target.
func (s sentence) across() string {
	if s.i.Target == nil || s.i.Unknown.ToTarget == nil {
		return ""
	}
	return ", and by " + Percent(*s.i.Unknown.ToTarget) + " to take it across the goal's target of " + unitOf(s.i).Value(*s.i.Target)
}

// notEnough says what is lacking to answer.
func (s sentence) notEnough(q contract.Question) string {
	if q == contract.VelocityOf && s.f.Windows > 0 {
		switch s.f.Why {
		case "too_few":
			return "The last closed window has too few customers to tell."
		case "undefined":
			return "The last closed window has no value to compare."
		}
	}
	switch s.f.Why {
	case "too_few":
		return "Too few customers to tell so far: " + Count(s.i.N) + "."
	case "one_dominates":
		return "A single customer makes so much of the differences that nothing can be told yet."
	case "read_whole":
		return "So small a base must be read whole before anything is told."
	case "undefined":
		return "There is no value to compare with."
	case "tail_too_small":
		if s.i.Tail != nil {
			return "Too few customers in the top 1 % to tell: " + Count(s.i.Tail.Customers) + ", and 20 are needed."
		}
		return "Too few customers in the top 1 % to tell: 20 are needed."
	case "sum_of_formats":
		return "It is a sum of what came in each format, so leaving one out takes its part away and tells nothing. For a claim that can become knowledge take the mean instead, of an order or of a customer."
	case "no_baseline":
		return "There are too few windows to compare later ones with: 13 are needed, twice as many where facts are deleted after a time."
	case "model_not_identified":
		return "The model cannot be told from these data any more."
	case "no_complete_window":
		return "No window has closed completely since it was published; the first one will tell."
	case "one_format":
		return "Of its formats, its sources and the times when customers came, no two are large enough to leave one out."
	}
	return map[contract.Question]string{
		contract.Volume:      "Too few customers to tell so far: " + Count(s.i.N) + ".",
		contract.VelocityOf:  "No window has closed completely since it was published; the first one will tell.",
		contract.Variety:     "Not enough data to leave a format out.",
		contract.Variability: "Not enough customers to tell whether a few carry it.",
		contract.Veracity:    "Not enough data to leave unknown sources out.",
	}[q]
}
