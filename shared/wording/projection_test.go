package wording

import (
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

func TestMethod(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{
		"linear_trend": "a straight line through the last windows up to six",
		"holt_winters": "level, trend and season, newer windows counting more",
		"new_method":   "new method",
	} {
		if got := Method(how); got != want {
			t.Errorf("%s: %q, want %q", how, got, want)
		}
	}
}

func TestTrend(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"+0.4 percentage points from window to window, standard error 0.1 percentage points, by a straight line through the last 6": Trend(contract.Trend{Windows: 6, Slope: .004, StdErr: .001}, Unit{Unit: contract.Ratio}),
		"−JPY 120 from window to window, standard error JPY 40, by a straight line through the last 3":                              Trend(contract.Trend{Windows: 3, Slope: -120, StdErr: 40}, Unit{Unit: contract.Money, Currency: "JPY"}),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
