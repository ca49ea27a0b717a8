package scorecard

import (
	"slices"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// Measurements of many windows overtake one another on their way up. While the baseline's window is missing, nothing is
// frozen or decided in its place.
func TestAnOvertakenBaselineIsWaitedFor(t *testing.T) {
	t.Parallel()
	in := g1(t)
	whole := Judge(in)
	in.Series = slices.DeleteFunc(slices.Clone(in.Series), func(p contract.Point) bool {
		return p.Window.Start.Format("2006-01") == "1997-09" || p.Window.Start.Format("2006-01") == "1997-08"
	})
	if s := Judge(in); s.Status != NoDataYet || s.Baseline != nil || s.Decided != nil {
		t.Errorf("without the baseline's window: %s, baseline %+v, decided %+v", s.Status, s.Baseline, s.Decided)
	}
	if s := Judge(g1(t)); s.Baseline.Value != whole.Baseline.Value {
		t.Errorf("once it has come: baseline %v, want %v", s.Baseline.Value, whole.Baseline.Value)
	}
}
