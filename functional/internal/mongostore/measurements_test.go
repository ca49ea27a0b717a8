package mongostore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/forecast"
	"github.com/strata-crm/strata/functional/internal/informer"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

func measured(metric contract.MetricID, version string, month time.Month, value float64, revision int64) contract.Measurement {
	start := time.Date(1997, month, 1, 0, 0, 0, 0, time.UTC)
	return contract.Measurement{
		ID: contract.MeasurementID(fmt.Sprintf("%s-%s-%d", metric, version, month)), Revision: revision, Directive: "od-1", DirectiveRevision: 1, Strategic: "sd-1",
		Goal: "goal-of-sd-1", Metric: metric, Version: version, Grain: contract.GrainMonth, Window: contract.Window{Start: start, End: start.AddDate(0, 1, 0)},
		Closed: true, AsOf: start.AddDate(0, 1, 0), Value: &value, Unit: contract.Ratio, N: 500,
		Quality: contract.Quality{Coverage: map[contract.ParameterName]float64{"customer_id": 1, "order_time": .97, "order_amount": .5, "email": .2}},
		Parts:   []contract.Part{{Key: "newcomers", N: 200, Value: value}, {Key: "established", N: 300, Value: value}},
	}
}

const own = "month_on_month_retention"

func measuring(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	must(t, r.service(t).Receive(t.Context(), strategic("sd-1", 1)))
	return r
}

func (r *rig) put(t *testing.T, m contract.Measurement, want mongodb.Put) {
	t.Helper()
	if got, err := r.Measured(t.Context(), m); err != nil || got != want {
		t.Fatalf("%s at revision %d: %v, %v; want %v", m.ID, m.Revision, got, err, want)
	}
}

// inform has information made of what has come.
func (r *rig) inform(t *testing.T) {
	t.Helper()
	i, err := informer.New(r.Stores)
	must(t, err)
	must(t, i.Round(t.Context()))
	if due, err := r.Due(t.Context()); err != nil || len(due) > 0 {
		t.Errorf("%v, %v are still due", due, err)
	}
}

func (r *rig) information(t *testing.T) contract.Information {
	t.Helper()
	r.inform(t)
	i, err := r.Information(t.Context(), "goal-of-sd-1")
	must(t, err)
	return i
}

func TestMeasurementsBecomeInformation(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	if _, err := r.Information(t.Context(), "goal-of-sd-1"); !fault.Is(err, fault.NotFound) || fault.CodeOf(err) != fault.NoData {
		t.Errorf("%v; want no data yet", err)
	}
	var last int64
	for m := time.March; m >= time.January; m-- { // late ones come first
		r.put(t, measured(own, "1.0.0", m, .1*float64(m), 1), mongodb.Applied)
		i := r.information(t)
		if i.Revision <= last {
			t.Errorf("revision %d after %d", i.Revision, last)
		}
		last = i.Revision
	}
	r.put(t, measured("repeat_rate", "1.0.0", time.March, .4, 1), mongodb.Applied)
	i := r.information(t)
	if len(i.Series) != 3 || i.Series[0].Window.Start.Month() != time.January || i.Trend == nil || i.Projection == nil || i.Change == nil || len(i.Supporting) != 1 {
		t.Fatalf("%+v", i)
	}
	if i.Supporting[0].Label != "Repeat rate" || i.Plan == "" || i.Revision <= last {
		t.Errorf("%+v", i)
	}
	ms := r.relay(t, contract.TopicInformation)
	env, sent, err := contract.Decode[contract.Information](ms[len(ms)-1])
	must(t, err)
	if !contract.Same(sent, i) || env.Correlation != "sd-1" || ms[0].Key != "goal-of-sd-1" {
		t.Errorf("sent %+v", sent)
	}
}

func TestRevisionsOfMeasurements(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	r.put(t, measured(own, "1.0.0", time.January, .10, 5), mongodb.Applied)
	before := r.information(t).Revision
	r.put(t, measured(own, "1.0.0", time.January, .10, 5), mongodb.Same)
	r.put(t, measured(own, "1.0.0", time.January, .99, 5), mongodb.Clash)
	r.put(t, measured(own, "1.0.0", time.January, .99, 4), mongodb.Stale)
	if i := r.information(t); i.Revision != before || *i.Series[0].Value != .10 {
		t.Errorf("changed by what must change nothing: %+v", i)
	}
	r.put(t, measured(own, "1.0.0", time.January, .12, 6), mongodb.Applied) // restated
	if i := r.information(t); i.Revision <= before || len(i.Series) != 1 || *i.Series[0].Value != .12 || i.Series[0].Revision != 6 {
		t.Errorf("not restated: %+v", i)
	}
}

func TestAnotherMajorVersionIsAnotherSeries(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	r.put(t, measured(own, "1.0.0", time.January, .1, 1), mongodb.Applied)
	r.put(t, measured(own, "1.3.0", time.February, .2, 1), mongodb.Applied)
	r.put(t, measured(own, "2.0.0", time.March, .9, 1), mongodb.Applied)
	if i := r.information(t); len(i.Series) != 2 || i.Version != "1.3.0" {
		t.Errorf("%d windows of version %s; want the two of major version 1", len(i.Series), i.Version)
	}
}

// TestUnchangedInformationKeepsItsRevision asks often: a map of several parameters has no order of its own.
func TestUnchangedInformationKeepsItsRevision(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	r.put(t, measured(own, "1.0.0", time.January, .1, 1), mongodb.Applied)
	r.put(t, measured(own, "1.0.0", time.February, .2, 1), mongodb.Applied)
	want := r.information(t).Revision
	r.relay(t, contract.TopicInformation)
	for range 10 {
		must(t, r.Mark(t.Context(), "sd-1"))
		r.inform(t)
		must(t, r.Update(t.Context(), "sd-1", func(*directive.Record) error { return nil }))
	}
	if got := r.information(t).Revision; got != want || r.pending(t) != 0 {
		t.Errorf("revision %d became %d, %d messages wait", want, got, r.pending(t))
	}
	rec, err := r.Get(t.Context(), "sd-1")
	must(t, err)
	if rec.Version != 1 {
		t.Errorf("the record is at version %d though nothing changed it", rec.Version)
	}
}

func TestAMeasurementOfNobodysDirective(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	m := measured(own, "1.0.0", time.January, .1, 1)
	m.Strategic = "sd-unknown"
	if _, err := r.Measured(t.Context(), m); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
	if ms, err := r.Series(t.Context(), "sd-unknown", ""); err != nil || len(ms) > 0 {
		t.Errorf("%v, %v: it was stored", ms, err)
	}
	if err := r.Mark(t.Context(), "sd-unknown"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
}

func TestSeriesAndPlansAreFound(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	for _, m := range []time.Month{time.February, time.January} {
		r.put(t, measured(own, "1.0.0", m, .1, 1), mongodb.Applied)
		r.put(t, measured("repeat_rate", "1.0.0", m, .1, 1), mongodb.Applied)
	}
	one, err := r.Series(t.Context(), "sd-1", own)
	must(t, err)
	all, err := r.Series(t.Context(), "sd-1", "")
	must(t, err)
	if len(one) != 2 || len(all) != 4 || one[0].Window.Start.Month() != time.January || !contract.Same(one[0], measured(own, "1.0.0", time.January, .1, 1)) {
		t.Errorf("%+v and %d of all", one, len(all))
	}
	rec, err := r.Get(t.Context(), "sd-1")
	must(t, err)
	p, of, err := r.Plan(t.Context(), rec.Plan.ID)
	if err != nil || of != "sd-1" || !contract.Same(p, *rec.Plan) {
		t.Errorf("%s, %v", of, err)
	}
	if _, _, err := r.Plan(t.Context(), "plan-unknown"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
}

// TestMeasurementsThatComeAtOnceSeeEachOther has the first of two metrics arrive on two partitions at the same time: under
// snapshot isolation alone, each would be summarised without the other.
func TestMeasurementsThatComeAtOnceSeeEachOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const rounds = 10
	for n := range rounds {
		id := contract.DirectiveID(fmt.Sprintf("sd-%d", n))
		must(t, r.service(t).Receive(t.Context(), strategic(id, 1)))
		var wg sync.WaitGroup
		for _, metric := range []contract.MetricID{own, "repeat_rate"} {
			m := measured(metric, "1.0.0", time.January, .1, 1)
			m.ID, m.Strategic = contract.MeasurementID(fmt.Sprintf("%s-%d", metric, n)), id
			wg.Go(func() {
				_, err := r.Measured(t.Context(), m)
				for fault.Is(err, fault.Transient) { // as the consumer does
					_, err = r.Measured(t.Context(), m)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		r.inform(t)
		i, err := r.Information(t.Context(), "goal-of-"+contract.GoalID(id))
		must(t, err)
		if len(i.Series) != 1 || len(i.Supporting) != 1 {
			t.Errorf("round %d: one of the two was not seen: %+v", n, i)
		}
	}
}

// TestInformationIsMadeOutsideOfTransactions has another window come whenever a forecast is made, for as long as one may:
// the forecast is made anew, and at last nothing comes between.
func TestInformationIsMadeOutsideOfTransactions(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Month{0, 1, mostAttempts} { // windows that come so
		r := measuring(t)
		for m := time.January; m <= time.April; m++ {
			r.put(t, measured(own, "1.0.0", m, .1*float64(m), 1), mongodb.Applied)
		}
		of, made := r.forecast, time.Month(0)
		r.forecast = func(s forecast.Series, ahead int, g forecast.Gates) (*forecast.Forecast, error) {
			if made++; made <= late {
				r.put(t, measured(own, "1.0.0", time.April+made, .5, 1), mongodb.Applied)
			}
			return of(s, ahead, g)
		}
		must(t, r.Inform(t.Context(), informer.Due{Directive: "sd-1"}))
		i, err := r.Information(t.Context(), "goal-of-sd-1")
		must(t, err)
		if len(i.Series) != 4+int(late) || made != late+1 {
			t.Errorf("%d came between: %d windows told after %d forecasts", late, len(i.Series), made)
		}
	}
}
