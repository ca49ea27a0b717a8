package nextpurchase

import (
	"testing"

	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
)

// Of the customers who came back in the time held out, four in five must have done so inside the interval told before,
// as the level says; a band of five points is about three standard errors in the sample, and wide for what changes in a
// year.
func TestCDNOWHoldOut(t *testing.T) {
	t.Parallel()
	type part struct {
		name      string
		histories []purchase.History
		weeks     float64
	}
	parts := []part{{"sample", datatest.CDNOWSample(t), 39}}
	if !testing.Short() {
		parts = append(parts, part{"all", datatest.CDNOW(t), 39}, part{"all", datatest.CDNOW(t), 26}, part{"all", datatest.CDNOW(t), 13})
	}
	for _, p := range parts {
		s := DefaultSettings()
		s.HorizonWeeks = p.weeks
		f, err := Fit(p.histories, datatest.Day("19980630"), s)
		if err != nil {
			t.Fatal(err)
		}
		k, ok := f.Regularity()
		if !ok {
			t.Fatal(f.GapsRefused())
		}
		h := f.Model.HoldOut
		t.Logf("%s, %g weeks: regularity %.3f, %d customers held out: %v", p.name, p.weeks, k, h.Customers, h.Measures)
		if h.Design != predict.LaterTime || h.Weeks != p.weeks || h.Customers != len(p.histories) || f.Model.N != len(p.histories) {
			t.Errorf("%s: model %+v", p.name, f.Model)
		}
		for _, name := range []string{"coverage", "coverage_own_gaps", "coverage_population_gaps"} {
			if c := h.Measures[name]; c < .75 || c > .85 {
				t.Errorf("%s, %g weeks: %s is %.3f, want .80 ± .05", p.name, p.weeks, name, c)
			}
		}
		if m := h.Measures["below_median"]; m < .42 || m > .58 {
			t.Errorf("%s, %g weeks: %.3f of the returns came before their median", p.name, p.weeks, m)
		}
		// The file's autumn is livelier than its spring: all models of this kind expect too little of it (ratio .78 to 1.15).
		if ratio := h.Measures["returns_expected"] / h.Measures["returned"]; ratio < .7 || ratio > 1.2 {
			t.Errorf("%s, %g weeks: %.3f times the returns were expected", p.name, p.weeks, ratio)
		}
	}
}
