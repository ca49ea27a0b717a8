package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// lamps are the signs of the verdicts, which their words stand beside.
var lamps = map[contract.Verdict]string{contract.Holds: "●", contract.Weakening: "▲", contract.Fails: "✖", contract.NotEnoughData: "○"}

// ClaimLine prints one of a list of claims: what is claimed, its value, the five lamps, and whether it is knowledge.
func ClaimLine(out io.Writer, c client.Claim) {
	name := c.Claim
	if c.Own {
		name += " (the goal's proof rests on it)"
	}
	Say(out, "  ", fmt.Sprintf("%s: %s", name, c.Value))
	var line []string
	for _, l := range c.Lamps {
		line = append(line, lamps[l.Verdict]+" "+l.Name)
	}
	write(out, "      "+strings.Join(line, "  "))
	if c.Insight.State != contract.InsightCandidate { // whose value says why already
		Say(out, "      ", c.Line+".")
	}
	Say(out, "      ", string(c.Insight.ID))
}

// Claim prints a claim with its value, its sample, and one sentence for each of the five lamps.
func Claim(out io.Writer, c client.Claim) {
	claimed(out, c)
	for _, l := range c.Lamps {
		Say(out, fmt.Sprintf("  %s %-12s ", lamps[l.Verdict], l.Name), l.Sentence)
	}
	Say(out, "  ", c.Line+".")
}

func claimed(out io.Writer, c client.Claim) {
	Say(out, "", c.Claim+": "+c.Value)
	text := "From " + c.Sample
	if !c.Insight.AsOf.IsZero() {
		text += ", data as of " + c.Insight.AsOf.UTC().Format("2 January 2006")
	}
	text += "; claimed to stand within " + c.Tolerance
	switch n := c.Insight.Republished; {
	case n == 1:
		text += "; published anew once"
	case n > 1:
		text += fmt.Sprintf("; published anew %d times", n)
	}
	Say(out, "  ", text+".")
	Say(out, "  ", c.Note)
}

// Why prints what each of the five verdicts on a claim rests on, and what became of the claim.
func Why(out io.Writer, c client.Claim, zone *time.Location) {
	claimed(out, c)
	for _, l := range c.Lamps {
		write(out, "")
		Say(out, "", fmt.Sprintf("%s %s: %s. %s", lamps[l.Verdict], l.Name, l.Word, l.Asks))
		Say(out, "  ", l.Sentence)
		for _, row := range rows(l.Question, &c.Insight, zone) {
			Say(out, "    ", row)
		}
	}
	write(out, "")
	Say(out, "", c.Line+".")
	if e := c.Accepted; e != nil {
		Say(out, "  ", fmt.Sprintf("Accepted on %s UTC with %s customers, data as of %s; decision %s of %s.",
			e.At.UTC().Format(time.DateTime), wording.Count(e.N), e.AsOf.UTC().Format("2 January 2006"), e.Decision.ID, e.Decision.Rule))
	}
	if c.Expires != nil {
		Say(out, "  ", "It ends on "+c.Expires.UTC().Format(time.DateTime)+" UTC at the latest, unless it is examined again.")
	}
	for _, h := range c.History {
		Say(out, "  ", fmt.Sprintf("%s UTC  %s: %s", h.At.UTC().Format(time.DateTime), Plain(h.To), h.Reason))
	}
}

// rows are the numbers that a verdict rests on, the newest last.
func rows(q contract.Question, i *contract.Insight, zone *time.Location) []string {
	u := wording.Unit{Unit: i.Unit, Currency: i.Currency}
	var rs []string
	switch q {
	case contract.Volume:
		for _, l := range last(i.Looks) {
			rs = append(rs, fmt.Sprintf("after %s customers: %s ± %s", wording.Count(l.N), u.Value(l.Value), u.Bare(l.HalfWidth)))
		}
	case contract.VelocityOf:
		for _, w := range last(i.Windows) {
			rs = append(rs, fmt.Sprintf("%s: %s ± %s", wording.Window(w.Window, i.Grain, zone), wording.Effect(i, w.Effect), wording.Margin(i, w.Margin)))
		}
	case contract.Variety:
		for _, f := range i.Formats {
			rs = append(rs, fmt.Sprintf("without %s: %s ± %s (weighs %s)", wording.LeftOut(i, f), wording.Effect(i, f.Effect), wording.Margin(i, f.Margin), wording.Percent(f.Share)))
		}
	case contract.Variability:
		if t := i.Tail; t != nil {
			rs = append(rs, fmt.Sprintf("without the top 1 %% (%s customers): %s ± %s", wording.Count(t.Customers), wording.Signed(-t.Fall), wording.Percent(t.Margin)))
		}
	}
	return rs
}

// last returns the last few of a list.
func last[T any](all []T) []T {
	const few = 6
	return all[max(0, len(all)-few):]
}
