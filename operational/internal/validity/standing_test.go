package validity

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var sound = Estimate{Value: 100, SD: 50, N: 10_000, Peak: .01}

func TestPublicationIsRefusedUntilTheValueIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		e    Estimate
		t    Tolerance
		kind fault.Kind
		code fault.Code
	}{
		"399 customers":           {Estimate{100, 1, 399, 0, .01, false}, Tolerance{Size: .5}, fault.Conflict, fault.LowSample},
		"99 bounded":              {Estimate{.5, .01, 99, 0, .01, true}, Tolerance{Size: .5}, fault.Conflict, fault.LowSample},
		"one dominates":           {Estimate{100, 1, 4000, 0, .051, false}, Tolerance{Size: .5}, fault.Conflict, fault.LowSample},
		"NaN":                     {Estimate{math.NaN(), 1, 4000, 0, .01, false}, Tolerance{Size: .5}, fault.Conflict, fault.LowSample},
		"interval over tau/2":     {sound, Tolerance{Size: .03}, fault.Conflict, fault.Validity},
		"value of 0, relative":    {Estimate{0, 1, 4000, 0, .01, false}, Tolerance{Size: .05}, fault.Conflict, fault.Validity},
		"no tolerance":            {sound, Tolerance{}, fault.Invalid, fault.BadDefinition},
		"exact but newcomers not": {Estimate{100, 500, 4000, 4000, .01, false}, Tolerance{Size: .05}, fault.Conflict, fault.Validity},
	} {
		_, err := Publish(c.e, c.t)
		if fault.KindOf(err) != c.kind || fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v (%s)", name, err, fault.CodeOf(err))
		}
	}
	if _, err := Publish(Estimate{.5, .1, 100, 0, .01, true}, Tolerance{Size: .2, Absolute: true}); err != nil {
		t.Errorf("100 bounded: %v", err)
	}
}

func TestFailureIsLatchedAndRepublicationCounted(t *testing.T) {
	t.Parallel()
	const h, w, f, n = contract.Holds, contract.Weakening, contract.Fails, contract.NotEnoughData
	all := contract.Verdicts{Volume: h, Velocity: h, Variety: h, Variability: h, Veracity: h}
	s := must(Publish(sound, Tolerance{Size: .05}))
	if s.Verdicts != (contract.Verdicts{Volume: n, Velocity: n, Variety: n, Variability: n, Veracity: n}) || s.AllHold() {
		t.Errorf("at publication: %+v", s)
	}
	if s = s.Judge(all); !s.AllHold() {
		t.Errorf("all hold: %+v", s.Verdicts)
	}
	s = s.Judge(contract.Verdicts{Volume: f, Velocity: f, Variety: f, Variability: f, Veracity: f})
	if s = s.Judge(all); s.Verdicts != (contract.Verdicts{Volume: f, Velocity: f, Variety: f, Variability: f, Veracity: f}) {
		t.Errorf("failures were undone: %+v", s.Verdicts)
	}
	if s, err := s.Republish(Estimate{N: 1}, Tolerance{Size: .05}); err == nil || s.Republished != 0 || s.Verdicts.Volume != f {
		t.Errorf("a refused publication changed the statement: %+v, %v", s, err)
	}
	moved := sound
	moved.Value = 120
	again := must(s.Republish(moved, Tolerance{Size: .05}))
	if again.Republished != 1 || again.Published != 120 || again.Band != 6 || again.Verdicts.Volume != n {
		t.Errorf("published anew: %+v", again)
	}
	if again = must(again.Republish(moved, Tolerance{Size: .05})); again.Republished != 2 {
		t.Errorf("published %d times anew, want 2", again.Republished)
	}
	if got := again.Judge(contract.Verdicts{Volume: w, Velocity: h}).Judge(contract.Verdicts{Volume: h}).Verdicts; got != (contract.Verdicts{
		Volume: h, Velocity: n, Variety: n, Variability: n, Veracity: n}) {
		t.Errorf("weakening is not latched, and what was not found is not enough data: %+v", got)
	}
}

// State survives a store: written, read and continued, it gives what it gives without.
func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	straight, broken := must(NewVelocity(.10, .005)), must(NewVelocity(.10, .005))
	for i := range 20 {
		s := Shift{.02 * float64(i%11), .03, 4000}
		if err := straight.Close(s); err != nil {
			t.Fatal(err)
		}
		if err := broken.Close(s); err != nil {
			t.Fatal(err)
		}
		stored := must(json.Marshal(broken))
		broken = new(Velocity)
		if err := json.Unmarshal(stored, broken); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(straight, broken); diff != "" {
		t.Error(diff)
	}
	if straight.Finding() != broken.Finding() {
		t.Error("another finding after restarts")
	}
}

// at is an estimate whose evidence against the band 0 ± band at a level is exactly log.
func at(log, band float64, l Level) Estimate {
	const n = 10_000
	a := n*l.Rho2 + 1
	d := math.Sqrt((log + .5*math.Log(a)) * 2 * a / (n * n * l.Rho2))
	return Estimate{Value: band + d, SD: 1, N: n, Peak: .01}
}

// Each question spends its own share of the budget: just below it weakens, just above it fails.
func TestEachQuestionKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	still := Estimate{Value: 0, SD: .001, N: 10_000, Peak: .01}
	for name, c := range map[string]struct {
		proof float64 // 1/a
		judge func(e Estimate) contract.Verdict
	}{
		"V1":                     {100, func(e Estimate) contract.Verdict { return Volume(e, 0, .05, 0).Verdict }},
		"V1 in the first window": {200, func(e Estimate) contract.Verdict { return Volume(e, 0, .05, 1).Verdict }},
		"V1 in the third window": {1200, func(e Estimate) contract.Verdict { return Volume(e, 0, .05, 3).Verdict }},
		"V3 of four formats": {400, func(e Estimate) contract.Verdict {
			return Variety([]Format{{Without: still}, {Without: e}, {Without: still}, {Without: still}}, 0, .05, math.NaN(), 0).Verdict
		}},
		"V5":  {100, func(e Estimate) contract.Verdict { return Veracity(e, .01, .05, 1, 0).Verdict }},
		"V4a": {200, func(e Estimate) contract.Verdict { e.Value += .10; return Tail(e, 20, 0, 1).Verdict }},
		"V2": {100, func(e Estimate) contract.Verdict {
			v := must(NewVelocity(.10, 0))
			v.Detector = Detector{Windows: 1}
			v.Detector.Up[0] = math.Log(8 * (math.Exp(e.beyond(0, .05, Failing())) - .5)) // the rest is the weight of later starts, 1/2
			for i := range 4 {
				v.Detector.Down[i] = math.Inf(-1)
				if i > 0 {
					v.Detector.Up[i] = math.Inf(-1)
				}
			}
			return v.Finding().Verdict
		}},
	} {
		for _, side := range []struct {
			log  float64
			want contract.Verdict
		}{{-.001, contract.Weakening}, {.001, contract.Fails}} {
			if got := c.judge(at(math.Log(c.proof)+side.log, .05, Failing())); got != side.want {
				t.Errorf("%s: evidence of %.1f: %s, want %s", name, c.proof*math.Exp(side.log), got, side.want)
			}
		}
	}
}

// holds is the interval at 5 %, as it is now.
func TestHoldsWhenTheIntervalIsInside(t *testing.T) {
	t.Parallel()
	h := Holding().HalfWidth(1, 10_000)
	for _, c := range []struct {
		value float64
		want  contract.Verdict
	}{{100.5 - h - 1e-9, contract.Holds}, {100.5 - h + 1e-9, contract.Weakening}, {99.5 + h + 1e-9, contract.Holds}, {99.5 + h - 1e-9, contract.Weakening}} {
		if got := Volume(Estimate{Value: c.value, SD: 1, N: 10_000, Peak: .01}, 100, .5, 0); got.Verdict != c.want {
			t.Errorf("%.9f: %+v, want %s", c.value, got, c.want)
		}
	}
	whole := Estimate{Value: 100, SD: 30, N: 5000, Of: 5000, Peak: .01}
	if f := Volume(whole, 100, .5, 0); f.Verdict != contract.Weakening || f.Reason != Newcomers || whole.Today(Holding()) != 0 {
		t.Errorf("all are read and newcomers may move it: %+v", f)
	}
}

func TestGravest(t *testing.T) {
	t.Parallel()
	of := func(v contract.Verdict, e float64) Finding { return Finding{Verdict: v, LogE: math.Log(e)} }
	for _, c := range []struct {
		a, b, want contract.Verdict
	}{
		{contract.Holds, contract.Holds, contract.Holds}, {contract.Holds, contract.Weakening, contract.Weakening},
		{contract.Weakening, contract.NotEnoughData, contract.NotEnoughData}, {contract.NotEnoughData, contract.Fails, contract.Fails},
	} {
		for _, parts := range [][]Finding{{of(c.a, 1), of(c.b, 3)}, {of(c.b, 3), of(c.a, 1)}} {
			got := Gravest(parts...)
			if got.Verdict != c.want {
				t.Errorf("%s and %s: %s, want %s", c.a, c.b, got.Verdict, c.want)
			}
			near(t, "joint evidence", math.Exp(got.LogE), 2, 1e-12)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	nps := func(scores ...int) float64 {
		m := must(NewMoments(2))
		for _, s := range scores {
			term := must(Answer(s))
			if err := m.Add([]int64{term.Num, term.Den}); err != nil {
				t.Fatal(err)
			}
		}
		e, _, err := Quotient{[]int64{1, 0}, []int64{0, 1}, 100}.Of(m, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		return e.Value
	}
	near(t, "one of each answer", nps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), -100*5/11., 1e-12)
	if _, err := Answer(11); err == nil {
		t.Error("an answer of 11")
	}
	for got, want := range map[Term]Term{
		Whether(false, true): {}, Whether(true, false): {0, 1}, Capped(7, 5): {5, 1}, Capped(3, 5): {3, 1},
		Above(7, 5): {2, 7}, Above(3, 5): {0, 3}, Below(5, 5): {0, 1}, AtOrBelow(5, 5): {1, 1},
	} {
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if err := Kind("median").Check(); fault.CodeOf(err) != fault.BadDefinition {
		t.Errorf("an unknown kind: %v", err)
	}
	if NPS.DefaultTolerance() != (Tolerance{5, true}) || Mean.DefaultTolerance() != (Tolerance{.05, false}) || !Quantile.Bounded() || Ratio.Bounded() {
		t.Error("traits of the kinds")
	}
	first := make([]int64, 3000)
	for i := range first {
		first[i] = int64(i + 1)
	}
	if got := must(CapFrom(first)); got != 1980 {
		t.Errorf("cap %d, want the 1,980th of the first 2,000", got)
	}
	tie := func(below, upTo float64) float64 {
		return QuantileShift(Estimate{Value: below}, Estimate{Value: upTo}, .5).Value
	}
	near(t, "p lies within the ties", tie(.4, .6), .5, 0)
	near(t, "above", tie(.55, .6), .55, 0)
	near(t, "below", tie(.3, .45), .45, 0)
}
