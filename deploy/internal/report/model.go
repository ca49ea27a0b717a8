package report

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// Model writes the fits of a model from the first to the last: the life of each, and how it did on weeks that it had not seen,
// by every trial. Days are the company's.
func Model(out io.Writer, m client.ModelLine) {
	head := wording.Item(m.Subject.Model)
	if m.Subject.Scope != nil {
		head += ", of some customers"
	}
	head += fmt.Sprintf(": %d fits", len(m.Line))
	if len(m.Line) == 1 {
		head = head[:len(head)-1]
	}
	if m.Why != nil {
		head += "; nothing came of the last that was tried: " + Plain(string(m.Why.Code))
	}
	Say(out, "", Sentence(head))
	for _, f := range m.Line {
		Say(out, "  "+pad(fmt.Sprintf("fit %d", f.Number)), life(f))
		for _, t := range f.Trials {
			Say(out, "  "+pad(""), trial(t))
		}
	}
}

func life(f client.ModelFit) string {
	line := string(f.State)
	for i, c := range f.History {
		lead := ", "
		if i == 0 {
			lead = ": "
		}
		line += lead + Plain(string(c.To)) + " by the data until " + until(c.AsOf)
	}
	return line
}

func trial(t client.ModelTrial) string {
	line := "fitted on the data until " + until(t.Fitted)
	h := t.HoldOut
	if h == nil {
		return line + "; not held against later weeks yet"
	}
	line += fmt.Sprintf(" of %s customers; in the %g weeks after they made %s purchases where it foretold %s", wording.Count(h.Customers), h.Weeks,
		wording.Count(int64(math.Round(h.Actual))), wording.Count(int64(math.Round(h.Predicted))))
	if h.Bias != nil {
		line += fmt.Sprintf(" (%+.1f %%)", 100**h.Bias)
	}
	line += fmt.Sprintf(", off by %.3f a customer", h.MAE)
	if h.Coverage != nil {
		line += fmt.Sprintf("; %s of them within their own 80 %% interval", wording.Percent(*h.Coverage))
	}
	return line
}

// until is the last day before a midnight of the company's zone.
func until(t time.Time) string {
	return wording.Day(contract.Day(client.Day(t).AddDate(0, 0, -1).Format(time.DateOnly)))
}
