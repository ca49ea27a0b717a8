package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/strata-crm/strata/shared/contract"
)

// teller prints the story.
type teller struct {
	out   io.Writer
	begun time.Time
	now   func() time.Time
	bar   bool
}

func (t *teller) say(format string, args ...any) {
	fmt.Fprintf(t.out, format+"\n", args...) //nolint:errcheck // a terminal that went away ends the process by its signal
}

func (t *teller) chapter(title string) {
	t.say("\n── %s %s", title, strings.Repeat("─", max(3, 100-len([]rune(title)))))
}

// hop prints one step on a directive's way: seconds since the story began, who, what, why, decision and trace.
func (t *teller) hop(at time.Time, who, what string, d *contract.Decision, trace string) {
	line := fmt.Sprintf("  %7.3f s  %-12s %s", at.Sub(t.begun).Seconds(), who, what)
	var proof []string
	if d != nil {
		proof = append(proof, "decision "+string(d.ID)+" by "+d.Rule)
	}
	if trace != "" {
		proof = append(proof, "trace "+trace)
	}
	if len(proof) > 0 {
		line += "\n" + strings.Repeat(" ", 26) + strings.Join(proof, ", ")
	}
	t.say("%s", line)
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
