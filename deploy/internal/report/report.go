// Package report writes what a suite answers as a person reads it on a terminal: figures in their units, the statement of
// an import, a goal's card, a directive's answer. It computes nothing.
package report

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
)

// Figure writes a value in its unit as a person reads it.
func Figure(v float64, u contract.Unit, currency string) string {
	switch u {
	case contract.Ratio:
		return fmt.Sprintf("%.1f %%", 100*v)
	case contract.Money:
		return fmt.Sprintf("%.2f %s", v/100, currency)
	case contract.Count:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// PlusMinus writes half the width of the 95 % interval.
func PlusMinus(stdErr *float64, u contract.Unit) string {
	if stdErr == nil {
		return ""
	}
	w := 1.96 * *stdErr
	switch u {
	case contract.Ratio:
		return fmt.Sprintf(" ± %.1f", 100*w)
	case contract.Money:
		return fmt.Sprintf(" ± %.2f", w/100)
	case contract.Count:
		return fmt.Sprintf(" ± %.0f", math.Ceil(w))
	}
	return fmt.Sprintf(" ± %.2f", w)
}

// Point writes a window's value with its error and sample.
func Point(p *contract.Point, u contract.Unit, currency string) string {
	switch {
	case p == nil:
		return "–"
	case p.Value == nil && p.Reason != nil:
		return "none (" + string(p.Reason.Code) + ")"
	case p.Value == nil:
		return "none"
	}
	return fmt.Sprintf("%s%s, n %d", Figure(*p.Value, u, currency), PlusMinus(p.StdErr, u), p.N)
}

// Words writes reasons on one line.
func Words(rs []contract.Reason) string {
	var all []string
	for _, r := range rs {
		text := strings.TrimSpace(string(r.Code) + " " + r.Item)
		if r.Have != nil && r.Need != nil {
			text += fmt.Sprintf(" (%.0f %% of %.0f %% required)", 100**r.Have, 100**r.Need)
		}
		if r.Optional {
			text += " (optional)"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// Plain writes a status without underscores.
func Plain(status string) string { return strings.ReplaceAll(status, "_", " ") }

// Statement prints what became of an import's rows.
func Statement(out io.Writer, s client.Statement) {
	say := sayer(out)
	equals := "="
	if s.RowsRead != s.Accounted() {
		equals = "≠"
	}
	say("  %d rows read %s %d stored + %d duplicate + %d quarantined + %d not requested + %d invalid + %d suppressed + %d not in force + %d lost",
		s.RowsRead, equals, s.Stored, s.Duplicate, s.Quarantined, s.NotRequested, s.Invalid, s.Suppressed, s.NotInForce, s.Lost)
	if !s.CaughtUp {
		say("  Ingest has not caught up: %d rows wait.", s.Waiting)
	}
	say("  Total: %s", Figure(float64(s.Totals.AmountMinor), contract.Money, s.Totals.Currency))
	for _, k := range slices.Sorted(maps.Keys(s.Suspects)) {
		if s.Suspects[k] > 0 {
			say("  Suspect: %d %s; they are kept, look at them", s.Suspects[k], suspects[k])
		}
	}
	for i, p := range s.Problems {
		if i == 10 {
			say("  … and %d more", len(s.Problems)-i)
			break
		}
		say("  Row %d: %s, %s. %s", p.Row, p.Status, p.Code, p.Detail)
	}
	for _, o := range s.Owners {
		say("  %-14s owner %s, steward %s", o.Parameter, o.Owner, o.Steward)
	}
}

// suspects are the oddities that a statement counts, in words.
var suspects = map[string]string{"zero_amount": "orders of zero amount", "identical_rows": "rows identical to an earlier one"}

// Card prints a goal of the scorecard.
func Card(out io.Writer, name string, c client.Card) {
	say := sayer(out)
	s := c.Standing
	status := Plain(s.Status)
	if s.Cause != "" {
		status += " (" + Plain(s.Cause) + ")"
	}
	back := ""
	if s.BackTest {
		back = ", a back-test"
	}
	say("  %s %s: %s; %s%s", name, c.Goal.Name, status, Plain(s.Proof), back)
	say("     owner      %s", c.Goal.Owner)
	if s.Point != nil {
		say("     value      %s, window to %s", Point(s.Point, s.Unit, s.Currency), s.Point.Window.End.Add(-time.Nanosecond).Format(time.DateOnly))
	}
	if s.Baseline != nil && s.Target != nil {
		say("     from, to   %s, %s by %s", Figure(s.Baseline.Value, s.Unit, s.Currency), Figure(*s.Target, s.Unit, s.Currency), c.Goal.Deadline)
	}
	if s.Projection != nil {
		say("     projection %s at %s (%s to %s)", Figure(s.Projection.Value, s.Unit, s.Currency), s.Projection.At,
			Figure(s.Projection.Low, s.Unit, s.Currency), Figure(s.Projection.High, s.Unit, s.Currency))
	}
	say("     why        %s", s.Why)
	if c.Moved != "" {
		say("     changed    %s", c.Moved)
	}
	if c.Ask.Text != "" {
		say("     asked      %s", c.Ask.Text)
	}
}

func sayer(out io.Writer) func(format string, args ...any) {
	return func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) } // a terminal that went away
}

// remedies are what would fix a lack, in words.
var remedies = map[string]string{
	"register_source": "Register a source that offers it.",
	"raise_coverage":  "Have the source fill it in for more customers.",
}

// Remedy writes what would fix a lack.
func Remedy(code string) string {
	if text, ok := remedies[code]; ok {
		return text
	}
	return Plain(code)
}
