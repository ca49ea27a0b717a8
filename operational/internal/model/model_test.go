package model

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var (
	states = []contract.ModelState{contract.ModelShadow, contract.ModelActive, contract.ModelWeakening, contract.ModelExpired, contract.ModelRetired}
	events = []Event{Promote, Reject, Weaken, Recover, Fall, Replace, Withdraw}
	actors = []Actor{ByHoldOut, ByValidity, BySuccessor, ByPerson}
)

// Every event by every actor in every state: what the table has takes place, all else is refused.
func TestTransitions(t *testing.T) {
	t.Parallel()
	rows := 0
	for _, from := range states {
		for _, e := range events {
			for _, by := range actors {
				var want []contract.ModelState
				for _, row := range Transitions {
					if row.From == from && row.Event == e && row.By == by {
						want = append(want, row.To)
					}
				}
				got, err := Next(from, e, by)
				switch rows += len(want); {
				case len(want) > 1:
					t.Errorf("%s %s by %s leads to %v: the table is ambiguous", from, e, by, want)
				case len(want) == 1 && (err != nil || got != want[0]):
					t.Errorf("%s %s by %s: got %s, %v, want %s", from, e, by, got, err, want[0])
				case len(want) == 0 && (fault.CodeOf(err) != fault.IllegalTransition || got != from):
					t.Errorf("%s %s by %s: got %s, %v, want a refusal", from, e, by, got, err)
				}
			}
		}
	}
	if rows != len(Transitions) {
		t.Errorf("%d of %d rows are of listed states, events and actors", rows, len(Transitions))
	}
	for _, from := range states {
		onward := closure(from)
		switch {
		case !slices.Contains(closure(contract.ModelShadow), from):
			t.Errorf("%s cannot be reached", from)
		case from == contract.ModelRetired && len(onward) > 1:
			t.Errorf("retired leads on to %v", onward)
		case !slices.Contains(onward, contract.ModelRetired):
			t.Errorf("no way leads from %s to retired", from)
		case from == contract.ModelExpired && slices.Contains(onward, contract.ModelActive):
			t.Error("what has fallen comes back")
		}
	}
}

func closure(from contract.ModelState) []contract.ModelState {
	reached := []contract.ModelState{from}
	for i := 0; i < len(reached); i++ {
		for _, r := range Transitions {
			if r.From == reached[i] && !slices.Contains(reached, r.To) {
				reached = append(reached, r.To)
			}
		}
	}
	return reached
}

func verdicts(all contract.Verdict, velocity contract.Verdict) contract.Verdicts {
	return contract.Verdicts{Volume: all, Velocity: velocity, Variety: all, Variability: all, Veracity: all}
}

func TestAsks(t *testing.T) {
	t.Parallel()
	const h, w, f, n = contract.Holds, contract.Weakening, contract.Fails, contract.NotEnoughData
	want := map[contract.ModelState]map[contract.Verdict]Event{
		contract.ModelActive:    {h: "", w: Weaken, f: Fall, n: ""},
		contract.ModelWeakening: {h: Recover, w: "", f: Fall, n: ""},
	}
	for _, s := range states {
		for _, v := range []contract.Verdict{h, w, f, n} {
			if got := Asks(s, verdicts(h, v)); got != want[s][v] {
				t.Errorf("%s, velocity %s: %q, want %q", s, v, got, want[s][v])
			}
		}
		// Whatever is asked for, the table allows.
		for _, a := range []contract.Verdict{h, w, f, n} {
			for _, b := range []contract.Verdict{h, w, f, n} {
				if e := Asks(s, verdicts(a, b)); e != "" {
					if _, err := Next(s, e, ByValidity); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
	if e := Asks(contract.ModelActive, verdicts(f, w)); e != Fall {
		t.Errorf("a failure beside a weakening asks to %s", e)
	}
}

func day(n int) time.Time { return time.Date(1997, 9, 30+n, 0, 0, 0, 0, time.UTC) }

func held(mae float64) contract.HoldOut {
	return contract.HoldOut{Weeks: 12, Customers: 2357, Predicted: 500, Actual: 520, MAE: mae}
}

// A model's life: first fit, weakening, recovery, fall, a worse refit, a better one.
func TestLife(t *testing.T) {
	t.Parallel()
	var l Line
	var err error
	step := func(what string, next Line, e error) {
		t.Helper()
		if l, err = next, e; err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	judge := func(v contract.Verdict, refit bool, want contract.ModelState) {
		t.Helper()
		next, asked, err := l.Judge(verdicts(contract.Holds, v), Turn{Now: day(1)})
		step("judge", next, err)
		if f, _ := l.Current(); f.State != want || asked != refit {
			t.Fatalf("after %s: %s, refit %v, want %s, %v", v, f.State, asked, want, refit)
		}
	}
	if !l.NeedsFit() {
		t.Error("an empty line asks for no fit")
	}
	next, err := l.Add(day(0), nil, Turn{Now: day(1)})
	step("add", next, err)
	if _, used := l.InUse(); used || l.NeedsFit() {
		t.Error("the shadow is used, or another is asked for")
	}
	next, err = l.Try(held(.8), nil, Turn{Now: day(1)})
	step("first", next, err)
	judge(contract.NotEnoughData, false, contract.ModelActive)
	judge(contract.Weakening, false, contract.ModelWeakening)
	judge(contract.Holds, false, contract.ModelActive)
	judge(contract.Fails, true, contract.ModelExpired)
	judge(contract.Holds, true, contract.ModelExpired)
	if _, used := l.InUse(); used {
		t.Error("what has expired is used")
	}
	next, err = l.Add(day(28), nil, Turn{Now: day(29)})
	step("refit", next, err)
	was := held(.8)
	next, err = l.Try(held(.9), &was, Turn{Now: day(29)})
	step("worse", next, err)
	if l[0].State != contract.ModelExpired || l[1].State != contract.ModelRetired || !l.NeedsFit() {
		t.Errorf("after a worse one: %+v", l)
	}
	next, err = l.Add(day(56), nil, Turn{Now: day(57)})
	step("refit", next, err)
	next, err = l.Add(day(84), nil, Turn{Now: day(85)})
	step("a newer one before the trial", next, err)
	next, err = l.Try(held(.81), &was, Turn{Now: day(85)})
	step("no worse", next, err)
	var got []contract.ModelState
	for i, f := range l {
		if got = append(got, f.State); f.Number != i+1 {
			t.Errorf("fit %d has number %d", i+1, f.Number)
		}
	}
	want := []contract.ModelState{contract.ModelRetired, contract.ModelRetired, contract.ModelRetired, contract.ModelActive}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first := []Event{Promote, Weaken, Recover, Fall, Replace}
	for i, c := range l[0].History {
		if c.Event != first[i] || len(l[0].History) != len(first) {
			t.Errorf("history of the first: %+v", l[0].History)
		}
	}
	if c := l[3].History[0]; c.By != string(ByHoldOut) || c.Reason != "mean absolute error 0.81, of the current one 0.8" || c.At != day(85) {
		t.Errorf("promotion: %+v", c)
	}
	next, err = l.Withdraw(4, Turn{Now: day(90), By: "analyst-1", Reason: "wrong metric"})
	step("withdraw", next, err)
	if c := l[3].History[1]; c.By != "analyst-1" || !l.NeedsFit() {
		t.Errorf("withdrawal: %+v", c)
	}
}

func TestLineRefuses(t *testing.T) {
	t.Parallel()
	l, err := Line(nil).Add(day(0), nil, Turn{})
	if err != nil {
		t.Fatal(err)
	}
	active, err := l.Try(held(.8), nil, Turn{})
	if err != nil {
		t.Fatal(err)
	}
	both, err := active.Add(day(1), nil, Turn{})
	if err != nil {
		t.Fatal(err)
	}
	other := held(.8)
	other.Customers--
	for name, c := range map[string]struct {
		call func() (Line, error)
		code fault.Code
	}{
		"older data":             {func() (Line, error) { return l.Add(day(0), nil, Turn{}) }, fault.InvalidItem},
		"no shadow":              {func() (Line, error) { return active.Try(held(.7), nil, Turn{}) }, fault.IllegalTransition},
		"nobody held out":        {func() (Line, error) { return l.Try(contract.HoldOut{}, nil, Turn{}) }, fault.InvalidItem},
		"nothing to compare":     {func() (Line, error) { return both.Try(held(.7), nil, Turn{}) }, fault.MissingField},
		"other customers":        {func() (Line, error) { return both.Try(held(.7), &other, Turn{}) }, fault.InvalidItem},
		"no such fit":            {func() (Line, error) { return both.Withdraw(3, Turn{}) }, fault.InvalidItem},
		"retired once and again": {func() (Line, error) { r, _ := l.Withdraw(1, Turn{}); return r.Withdraw(1, Turn{}) }, fault.IllegalTransition},
	} {
		if _, err := c.call(); fault.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
}

// Whatever happens: at most one in shadow and one current, numbers in order, histories that connect, and a line that was
// handed out does not change.
func TestLineProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l Line
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := slices.Clone(l)
			frozen := cmp.Diff(Line(nil), before)
			turn := Turn{AsOf: day(i), Now: day(i), By: "someone"}
			var next Line
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				next, _ = l.Add(day(i), nil, turn)
			case 1:
				v := rapid.SampledFrom([]contract.Verdict{contract.Holds, contract.Weakening, contract.Fails, contract.NotEnoughData})
				next, _, _ = l.Judge(verdicts(v.Draw(t, "all"), v.Draw(t, "velocity")), turn)
			case 2:
				was := held(.8)
				next, _ = l.Try(held(rapid.Float64Range(.7, .9).Draw(t, "mae")), &was, turn)
			case 4:
				next, _ = l.Renew(day(i), nil, held(.8), turn)
			case 3:
				next, _ = l.Withdraw(rapid.IntRange(1, len(l)+1).Draw(t, "number"), turn)
			}
			if after := cmp.Diff(Line(nil), before); after != frozen {
				t.Fatalf("the line before has changed:\n%s", cmp.Diff(frozen, after))
			}
			l = next
			shadows, currents := 0, 0
			for k, f := range l {
				if inShadow(f.State) {
					shadows++
				}
				if current(f.State) {
					currents++
				}
				at := contract.ModelShadow
				for _, c := range f.History {
					if c.From != at {
						t.Fatalf("history of %d: %+v", k+1, f.History)
					}
					at = c.To
				}
				if at != f.State || f.Number != k+1 {
					t.Fatalf("fit %d: %+v", k+1, f)
				}
			}
			if shadows > 1 || currents > 1 {
				t.Fatalf("%d in shadow, %d current", shadows, currents)
			}
		}
	})
}

// A line tells how it stood by the data until a day, whatever was decided by later data.
func TestAsOf(t *testing.T) {
	t.Parallel()
	at := func(n int) Turn { return Turn{AsOf: day(n), Now: day(1000)} }
	must := func(l Line, err error) Line {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := must(Line(nil).Add(day(0), map[string]float64{"r": .25}, at(28)))
	l = must(l.Try(held(.8), nil, at(28)))
	l = must(l.Renew(day(28), map[string]float64{"r": .24}, held(.7), at(56)))
	l, _, _ = l.Judge(verdicts(contract.Holds, contract.Weakening), at(84))
	l = must(l.Renew(day(100), nil, held(.9), at(130))) // before it was known that it had fallen
	l, refit, err := l.Judge(verdicts(contract.Holds, contract.Fails), at(112))
	if err != nil || !refit {
		t.Fatalf("%v, refit %v", err, refit)
	}
	was := held(.8)
	l = must(must(l.Add(day(84), nil, at(112))).Try(held(.79), &was, at(112)))
	for n, want := range map[int]string{
		27:  "",
		28:  "1 active " + day(28).Format(time.RFC3339),
		60:  "1 active " + day(56).Format(time.RFC3339),
		90:  "1 weakening " + day(56).Format(time.RFC3339),
		112: "2 active " + day(112).Format(time.RFC3339),
		200: "2 active " + day(112).Format(time.RFC3339),
	} {
		if got := l.AsOf(day(n)).Stamp(); got != want {
			t.Errorf("by the data until day %d: %q, want %q", n, got, want)
		}
	}
	if f := &l[0]; f.State != contract.ModelRetired || f.Stood() != contract.ModelExpired || len(f.Trials) != 3 || f.Latest().AsOf != day(112) {
		t.Errorf("the first fit ended as %s, stood as %s, after %d trials", f.State, f.Stood(), len(f.Trials))
	}
	// What is known by earlier data than was decided by changes nothing any more.
	same, _, err := l.Judge(verdicts(contract.Holds, contract.Fails), at(111))
	if err != nil || same.Stamp() != l.Stamp() {
		t.Errorf("%v: %s, want %s", err, same.Stamp(), l.Stamp())
	}
	if _, err := l.Renew(day(84), nil, held(.8), at(112)); fault.CodeOf(err) != fault.InvalidItem {
		t.Errorf("renewed on the same data: %v", err)
	}
	if _, err := Line(nil).Renew(day(84), nil, held(.8), at(140)); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("renewed without a fit: %v", err)
	}
}

func TestGravest(t *testing.T) {
	t.Parallel()
	const h, w, f, n = contract.Holds, contract.Weakening, contract.Fails, contract.NotEnoughData
	a, b := Said{Claim: "a", Verdicts: verdicts(h, w)}, Said{Claim: "b", Verdicts: verdicts(n, h)}
	if got, want := Gravest([]Said{a, b}), verdicts(n, w); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Gravest(append([]Said{a}, Said{Verdicts: verdicts(h, f)})); got.Velocity != f || got.Volume != h {
		t.Errorf("a fall beside a weakening: %+v", got)
	}
	if got := Gravest(nil); !got.All(n) {
		t.Errorf("without a claim: %+v", got)
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	all := Subject{Model: "mbg_nbd"}
	scoped := Subject{Model: "mbg_nbd", Scope: &contract.Condition{Field: "orders", Op: contract.Gte, Value: 2}}
	if all.ID() == scoped.ID() || all.ID() == (Subject{Model: "bg_nbd"}).ID() || all.ID() != (Subject{Model: "mbg_nbd"}).ID() {
		t.Error("subjects are told apart by model and scope, and by nothing else")
	}
}
