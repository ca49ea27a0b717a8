package churn

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

func refused(t testing.TB, err error, because string) {
	t.Helper()
	if fault.CodeOf(err) != fault.ModelNotIdentified || fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), because) {
		t.Errorf("got %v, want %s naming %q", err, fault.ModelNotIdentified, because)
	}
}

func bought(customer string, days ...purchase.Day) purchase.History {
	h := purchase.History{Customer: customer}
	for _, d := range days {
		h.Visits = append(h.Visits, purchase.Visit{Day: d, Minor: 100})
	}
	return h
}

func gapRule() Rule {
	r := DefaultRule()
	r.Fallback, r.MinRepeaters = RepeatersGap, 1
	return r
}

func TestRuleByHand(t *testing.T) {
	t.Parallel()
	histories := []purchase.History{
		bought("b exactly three gaps ago", 0, 10, 20, 170), // gaps 10 10 150: median 10, allowed 30
		bought("a a day less", 0, 10, 20, 171),
		bought("c two gaps", 100, 120, 140),   // the repeaters' gap decides
		bought("d one purchase", 100),         // the same
		bought("e slow", 0, 70, 140),          // the same
		bought("f not yet a customer", 201),   // left out
		bought("g irregular", 0, 1, 100, 141), // gaps 1 99 41: median 41, allowed 123
	}
	got, err := Transactional(histories, 200, gapRule())
	if err != nil {
		t.Fatal(err)
	}
	// The repeaters' medians are 10, 10, 20, 41 and 70: 20, which allows 60.
	want := []struct {
		customer string
		state    State
		because  Because
	}{
		{"a a day less", Active, Because{Basis: ByOwnGaps, Gaps: 3, MedianGap: 10, Allowed: 30, Silent: 29}},
		{"b exactly three gaps ago", Churned, Because{Basis: ByOwnGaps, Gaps: 3, MedianGap: 10, Allowed: 30, Silent: 30}},
		{"c two gaps", Churned, Because{Basis: ByRepeatersGap, Gaps: 2, MedianGap: 20, Allowed: 60, Silent: 60}},
		{"d one purchase", Churned, Because{Basis: ByRepeatersGap, MedianGap: 20, Allowed: 60, Silent: 100}},
		{"e slow", Churned, Because{Basis: ByRepeatersGap, Gaps: 2, MedianGap: 20, Allowed: 60, Silent: 60}},
		{"g irregular", Active, Because{Basis: ByOwnGaps, Gaps: 3, MedianGap: 41, Allowed: 123, Silent: 59}},
	}
	if len(got) != len(want) {
		t.Fatalf("%d customers judged, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Customer != w.customer || g.State != w.state || g.Because != w.because || g.Probability != nil {
			t.Errorf("got %+v\nwant %+v", g, w)
		}
	}
	if why := got[1].Because.String(); why != "no order for 30 days; the customer's own 3 gaps have a median of 10, which allows 30" {
		t.Error(why)
	}
}

func TestTransactionalRefuses(t *testing.T) {
	t.Parallel()
	sample := datatest.CDNOWSample(t)
	asOf := datatest.Day("19970930")
	_, err := Transactional(sample[:300], asOf, DefaultRule())
	refused(t, err, "customers came back and the model needs 500")
	_, err = Transactional(sample, datatest.Day("19970331"), DefaultRule())
	refused(t, err, "weeks and the model needs 13")
	few := gapRule()
	few.MinRepeaters = 30
	_, err = Transactional([]purchase.History{bought("a", 1, 2)}, 9, few)
	refused(t, err, "1 customers came back and the rule needs 30")
	for name, change := range map[string]func(*Rule){
		"factor": func(r *Rule) { r.Factor = 0 }, "own gaps": func(r *Rule) { r.OwnGaps = 0 }, "hold-out": func(r *Rule) { r.HoldOutWeeks = 0 },
		"fallback": func(r *Rule) { r.Fallback = "" }, "threshold": func(r *Rule) { r.AliveBelow = 1 },
	} {
		r := DefaultRule()
		change(&r)
		if _, err := Transactional(sample, asOf, r); fault.CodeOf(err) != fault.BadDefinition {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Transactional([]purchase.History{bought("a", 2, 1)}, 9, gapRule()); !fault.Is(err, fault.Invalid) {
		t.Errorf("days out of order: got %v", err)
	}
}

// A rule that says nothing could call everybody active or gone; this one must tell the two apart on later data, by either
// fallback.
func TestTransactionalOnCDNOW(t *testing.T) {
	t.Parallel()
	histories, asOf := datatest.CDNOW(t), datatest.Day("19980630")
	for _, fallback := range []Fallback{RepeatersGap, AliveModel} {
		r := DefaultRule()
		r.Fallback = fallback
		got, err := Transactional(histories, asOf, r)
		if err != nil {
			t.Fatal(err)
		}
		h := got[0].Model.HoldOut
		basis := map[Basis]int{}
		for _, a := range got {
			basis[a.Because.Basis]++
		}
		t.Logf("%s: %d customers, by %v; hold-out of %g weeks, %d customers: %v", fallback, len(got), basis, h.Weeks, h.Customers, h.Measures)
		if len(got) != 23570 || h.Customers != 23570 || basis[ByOwnGaps] != withGaps(histories, 3) {
			t.Errorf("%s: %d judged, %d held out, by %v", fallback, len(got), h.Customers, basis)
		}
		if h.Measures["stayed_away"] < h.Measures["base_rate"]+.05 || h.Measures["came_back"] < 1-h.Measures["base_rate"]+.05 {
			t.Errorf("%s: the rule is no better than the base rate: %v", fallback, h.Measures)
		}
		if auc, ok := h.Measures["auc"]; ok != (fallback == AliveModel) || ok && auc < .7 {
			t.Errorf("%s: AUC %g, %v", fallback, auc, ok)
		}
		checkProbabilities(t, histories, asOf, got, fallback == AliveModel)
	}
}

func withGaps(histories []purchase.History, least int) int {
	n := 0
	for _, h := range histories {
		if len(h.Visits) > least {
			n++
		}
	}
	return n
}

func checkProbabilities(t *testing.T, histories []purchase.History, asOf purchase.Day, got []Assessment, modelled bool) {
	t.Helper()
	if !modelled {
		return
	}
	summaries := make([]btyd.Summary, len(histories))
	for i, h := range histories {
		summaries[i] = h.Summary(asOf)
	}
	p, err := btyd.NewPopulation(summaries)
	if err != nil {
		t.Fatal(err)
	}
	fit, err := btyd.FitMBGNBD(p, btyd.DefaultGates())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, a := range got { // the file is sorted by customer
		s := summaries[i]
		if want := 1 - fit.Model.PAlive(s.X, s.Tx, s.T); math.Abs(*a.Probability-want) > 1e-9 || !a.Interval.Contains(*a.Probability) {
			t.Fatalf("%s: probability %g in %+v, want %g", a.Customer, *a.Probability, *a.Interval, want)
		}
		sum += 1 - *a.Probability
	}
	near(t, "share alive", sum/float64(len(got)), .414, 5e-4) // the design's
}

// The error of a probability must be that of the parameters: refitted to other customers, the probability moves by as much.
func TestProbabilityIntervalOnTenths(t *testing.T) {
	t.Parallel()
	histories, asOf := datatest.CDNOW(t), datatest.Day("19980630")
	marked := bought("~marked", asOf-300, asOf-200, asOf-150)
	inside, parts := 0, 10
	all := slices.Clone(histories)
	whole, err := Transactional(append(all, marked), asOf, DefaultRule())
	if err != nil {
		t.Fatal(err)
	}
	truth := *whole[len(whole)-1].Probability
	for k := range parts {
		part := []purchase.History{marked}
		for i, h := range histories {
			if i%parts == k {
				part = append(part, h)
			}
		}
		got, err := Transactional(part, asOf, DefaultRule())
		if err != nil {
			t.Fatal(err)
		}
		a := got[len(got)-1]
		t.Logf("tenth %d: %.4f, %.4f to %.4f", k, *a.Probability, a.Interval.Low, a.Interval.High)
		if a.Interval.Contains(truth) {
			inside++
		}
	}
	if inside < 8 {
		t.Errorf("%d of %d intervals hold the value of all customers, %.4f", inside, parts, truth)
	}
}

func TestTransactionalDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	sample, asOf := datatest.CDNOWSample(t), datatest.Day("19980331")
	want, err := Transactional(sample, asOf, DefaultRule())
	if err != nil {
		t.Fatal(err)
	}
	backwards := slices.Clone(sample)
	slices.Reverse(backwards)
	got, err := Transactional(backwards, asOf, DefaultRule())
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}
