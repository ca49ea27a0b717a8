package operational

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

var worth = contract.Definition{ID: "predicted_value_26w", Version: "1.0.0", Type: contract.ModelOf, Unit: contract.Money,
	Model:      &contract.ModelSpec{Name: "bg_nbd_gamma_gamma", Output: "residual_value", Horizon: 26},
	Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime, contract.ParamOrderAmount}}

// booming are the orders of 1,200 customers over 1997, who buy three times as often from October on.
func booming() []map[string]any {
	rng := rand.New(rand.NewPCG(97, 11))
	year, boom := time.Date(1997, 1, 1, 10, 0, 0, 0, time.UTC), 273.
	var rows []map[string]any
	for c := range 1200 {
		rate, leaves := .01+rng.ExpFloat64()*.05, rng.Float64()*.2 // a day; after a purchase
		level := 20 * math.Exp(rng.NormFloat64()*.4)
		for day := rng.Float64() * 50; day < 365; {
			rows = append(rows, map[string]any{"row": len(rows) + 1, "item": map[string]any{"type": "track", "event": "Order Completed", "userId": fmt.Sprintf("u%d", c),
				"timestamp":  year.AddDate(0, 0, int(day)).Format(time.RFC3339),
				"properties": map[string]any{"total": fmt.Sprintf("%.2f", 1+level*rng.Float64()*2), "currency": "USD"}}})
			times := 1.
			if day >= boom {
				times = 3
			} else if rng.Float64() < leaves {
				break
			}
			day += rng.ExpFloat64() / (rate * times)
		}
	}
	return rows
}

// TestModelLives: a model is in use from its first trial; when the claim on its total falls it expires, another fit is tried
// at the same window, and metric and predictions rest on that one. The service is restarted in the middle.
func TestModelLives(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	claim := contract.InsightOrder{Kind: contract.ForecastInsight, Metric: worth, Grain: contract.GrainMonth, Tolerance: .6, LaterTolerance: .1}
	claim.ID = contract.InsightIdentity("main", "od-1", claim.Kind, worth.ID, 1, nil, nil, claim.Grain)
	d := contract.OperationalDirective{Order: s.order("od-1"), Strategic: "sd-1", Goal: "g-1", Plan: "p-1", Part: "sales", Collect: askOrders, Currency: "USD", TimeZone: "UTC",
		Constraints: contract.Constraints{Purposes: []contract.Purpose{"retention_analysis"}, MinimumGroup: 10, RetentionDays: 365},
		Compute:     []contract.Computation{{Metric: worth, Grain: contract.GrainMonth, Until: "2030-12-31", Required: true}}}
	claim.Until = contract.DayOf(d.Expires, time.UTC)
	d.Insights = []contract.InsightOrder{claim}
	s.send(contract.TypeOperationalDirective, d.ID, &d)
	s.answered(d.ID, contract.Executing, d.Revision)
	run := s.start(strings.Repeat("b", 64))
	s.rig.send(run.Run, booming())
	s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	s.caughtUp(run.Run)

	until := func(day string) contract.Insight {
		s.do("POST", api+"/sources/shop/watermark", "", map[string]any{"completeUntil": day}, 200, nil)
		return s.claimed("a look at "+day, claim.ID, func(i contract.Insight) bool { return i.AsOf.Format(time.DateOnly) == day })
	}
	i := until("1997-10-01")
	if i.State != contract.InsightPublished || i.Model.Fit != 1 || i.Model.State != contract.ModelActive || i.Model.HoldOut == nil {
		t.Fatalf("published as %+v on %+v", i, i.Model)
	}
	m := s.restedOn("1997-09", 1)
	if m.Value == nil || m.Model.State != contract.ModelActive || m.Model.HoldOut.Weeks != 26 || m.Model.HoldOut.Bias == nil || math.Abs(*m.Model.HoldOut.Bias) > .2 {
		t.Errorf("September is %v on %+v, held out %+v", m.Value, m.Model, m.Model.HoldOut)
	}
	s.predicts("1997-09-30", 1)
	s.restart()

	fell := ""
	for _, day := range []string{"1997-11-01", "1997-12-01", "1998-01-01"} {
		if i = until(day); i.Verdicts.Any(contract.Fails) {
			fell = day
			break
		}
	}
	t.Logf("the claim fell at %s: %+v", fell, i.Verdicts)
	if fell == "" || i.Model.Fit != 1 || i.Model.State != contract.ModelExpired {
		t.Fatalf("it has not fallen: %+v on %+v", i.Verdicts, i.Model)
	}
	end, err := time.Parse(time.DateOnly, fell)
	if err != nil {
		t.Fatal(err)
	}
	last := end.AddDate(0, 0, -1)
	if m = s.restedOn(last.Format("2006-01"), 2); m.Value == nil || m.Model.State != contract.ModelActive {
		t.Errorf("after the fall it is %v on %+v", m.Value, m.Model)
	}
	s.predicts(last.Format(time.DateOnly), 2)
	s.predicts("1997-09-30", 1) // as it was known then
	s.lived()
}

// restedOn waits until the closed measurement of a month rests on a fit.
func (s *suite) restedOn(month string, fit int) (latest contract.Measurement) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s rests on fit %d", month, fit), func() bool {
		s.read(contract.TopicMeasurements, func(msg bus.Message) {
			_, got, err := contract.Decode[contract.Measurement](msg)
			if err != nil {
				s.t.Fatal(err)
			}
			if got.Metric == worth.ID && got.Window.Start.Format("2006-01") == month && got.Closed && got.Revision > latest.Revision {
				latest = got
			}
		})
		return latest.Model != nil && latest.Model.Fit == fit && latest.Model.State != contract.ModelExpired
	})
	return latest
}

// predicts checks on which fit predictions as of a day rest.
func (s *suite) predicts(day string, fit int) {
	s.t.Helper()
	var sum prediction.Summary
	s.do("GET", api+"/predictions/value?asOf="+day, "", nil, 200, &sum)
	m := sum.Model
	if m.Fit != fit || m.State != contract.ModelActive || m.N == 0 || m.HoldOut.Customers == 0 || sum.Interval == nil || !sum.Interval.Contains(*sum.Mean) {
		s.t.Errorf("predictions as of %s rest on %+v, interval %+v; want fit %d, active", day, m, sum.Interval, fit)
	}
}

// lived checks what the API tells of the model's life.
func (s *suite) lived() {
	s.t.Helper()
	var page struct{ Items []fitting.Record }
	s.do("GET", api+"/models", "", nil, 200, &page)
	if len(page.Items) != 1 || len(page.Items[0].Line) != 2 {
		s.t.Fatalf("the lines of fits are %+v", page.Items)
	}
	var states []contract.ModelState
	for _, c := range page.Items[0].Line[0].History {
		states = append(states, c.To)
	}
	states = slices.DeleteFunc(states, func(m contract.ModelState) bool { return m == contract.ModelWeakening })
	if !slices.Equal(states, []contract.ModelState{contract.ModelActive, contract.ModelExpired, contract.ModelRetired}) {
		s.t.Errorf("the first fit was %v", states)
	}
	if f := page.Items[0].Line[1]; f.State != contract.ModelActive || f.History[0].By != "hold_out" {
		s.t.Errorf("the second is %+v", f)
	}
}
