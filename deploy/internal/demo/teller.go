package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
)

// teller prints the story.
type teller struct {
	out   io.Writer
	begun time.Time
	now   func() time.Time
	bar   bool
}

// say prints a line as it is.
func (t *teller) say(format string, args ...any) {
	fmt.Fprintf(t.out, format+"\n", args...) // a terminal that went away ends the process by its signal
}

// tell prints text in lines that fit.
func (t *teller) tell(format string, args ...any) {
	report.Say(t.out, "  ", fmt.Sprintf(format, args...))
}

func (t *teller) chapter(title string) {
	t.say("\n── %s %s", title, strings.Repeat("─", max(3, report.Width-4-len([]rune(title)))))
}

// told is one step on a directive's way, as it is printed.
type told struct {
	at       time.Time
	layer    contract.Layer
	what     string
	decision *contract.Decision
	trace    string
}

// hops prints steps in the order of time: seconds since the story began, who, what, decision and trace.
func (t *teller) hops(all []told) {
	slices.SortStableFunc(all, func(a, b told) int { return a.at.Compare(b.at) })
	for _, h := range all {
		when := "  before   "
		if since := h.at.Sub(t.begun); since >= 0 {
			when = fmt.Sprintf("%8.3f s ", since.Seconds())
		}
		lead := fmt.Sprintf(" %s %-12s ", when, h.layer)
		report.Say(t.out, lead, h.what)
		t.proof(strings.Repeat(" ", len(lead)), h)
	}
}

// proof prints the decision and the trace of a step.
func (t *teller) proof(lead string, h told) {
	var parts []string
	if h.decision != nil && h.decision.ID != "" {
		parts = append(parts, fmt.Sprintf("decision %s by %s", h.decision.ID, h.decision.Rule))
	}
	if h.trace != "" {
		parts = append(parts, "trace "+h.trace)
	}
	for _, p := range parts {
		report.Say(t.out, lead, p)
	}
}

// progress returns what moves while rows are sent: a bar on a terminal, nothing elsewhere, where a line follows.
func (t *teller) progress(label string, rows int64) (told func(done, of int64), end func()) {
	if !t.bar {
		return func(int64, int64) {}, func() {}
	}
	bar := progressbar.NewOptions64(rows, progressbar.OptionSetWriter(t.out), progressbar.OptionSetDescription("  "+label),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	return func(done, _ int64) { _ = bar.Set64(done) }, func() { _ = bar.Finish() }
}
