package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/wording"
)

// Card prints a goal of the scorecard: how it stands and why, what its directive lacks, what changed since the window before, how well it is
// proven, and the one decision that is asked.
func Card(out io.Writer, name string, c client.Card) {
	s, u := c.Standing, Unit(c.Standing)
	Say(out, "  "+name+"  ", c.Goal.Name+": "+Status(s))
	field := func(label, text string) { Say(out, fmt.Sprintf("      %-10s ", label), text) }
	field("owner", c.Goal.Owner)
	if s.Point != nil {
		field("value", Point(s.Point, u)+" ("+Window(s.Point.Window)+")")
	}
	if s.Baseline != nil && s.Target != nil {
		field("from, to", fmt.Sprintf("%s, %s by %s", u.Value(s.Baseline.Value), u.Value(*s.Target), wording.Day(c.Goal.Deadline)))
	}
	if p := s.Projection; p != nil {
		field("projection", fmt.Sprintf("%s ± %s at %s", u.Value(p.Value), u.Bare((p.High-p.Low)/2), wording.Day(p.At)))
	}
	field("why", s.Why)
	if s.Lacks != "" {
		field("lacks", s.Lacks)
	}
	field("changed", changed(c))
	field("proof", Proof(s))
	if s.ModelLine != "" {
		field("model", s.ModelLine)
	}
	if s.Insight != nil {
		field("rests on", s.Insight.Line)
	}
	field("asked", asked(c))
}

// Unit returns the unit in which a goal is measured.
func Unit(s client.Standing) wording.Unit { return wording.Unit{Unit: s.Unit, Currency: s.Currency} }

// Status writes how a goal stands in a few words.
func Status(s client.Standing) string {
	text := Plain(s.Status)
	if s.Cause != "" {
		text += " (" + Plain(s.Cause) + ")"
	}
	if s.BackTest {
		text += ", a back-test"
	}
	return text
}

// changed says what happened since the window before.
func changed(c client.Card) string {
	var parts []string
	if b := c.Before; b != nil && b.Status != c.Standing.Status {
		parts = append(parts, fmt.Sprintf("From %s to %s.", Plain(b.Status), Plain(c.Standing.Status)))
	}
	if c.Moved != "" {
		parts = append(parts, c.Moved)
	}
	if len(parts) == 0 && c.Standing.Point != nil {
		return "Nothing to compare with: there is no value of the window before."
	}
	text := strings.Join(parts, " ")
	if text != "" && c.Before != nil && c.Before.Point != nil {
		text = "Since " + Window(c.Before.Point.Window) + ": " + text
	}
	return text
}

// Proof says how well a decided status is proven.
func Proof(s client.Standing) string {
	switch {
	case s.ProofWhy != "":
		return strings.ToLower(s.ProofWhy[:1]) + s.ProofWhy[1:]
	case s.Proof == "proven":
		return "proven: the 95 % interval lies wholly beyond the target"
	case s.Proof == "not_yet":
		return "not yet: nothing is decided"
	case s.Against == "short":
		return "not proven: the 95 % interval lies wholly short of the target"
	case s.Against == "around":
		return "not proven: the target lies within the 95 % interval, so chance alone could have decided it"
	}
	return Plain(s.Proof)
}

func asked(c client.Card) string {
	if c.Ask.Text == "" || c.Ask.Role == "" {
		return c.Ask.Text
	}
	return "of the " + c.Ask.Role + ": " + c.Ask.Text
}
