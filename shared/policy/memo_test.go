package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/fstest"
	"time"
)

type visit struct {
	Role   string `json:"role"`
	Amount int64  `json:"amount"`
}

const visitRego = `package strata.shop.visit

default allow := false

allow if {
	input.role == "guest"
	100 / input.amount <= data.governance.most
}

reasons contains "guests only" if input.role != "guest"
`

// remembering returns an engine whose one rule is asked per event, or recorded.
func remembering(t *testing.T, perEvent bool, record error) *Engine {
	t.Helper()
	in := InputOf[visit]()
	if perEvent {
		in = in.PerEvent()
	}
	e, err := New(t.Context(), Options{
		Layer: "shop", Files: fstest.MapFS{"visit/visit.rego": {Data: []byte(visitRego)}}, Inputs: map[string]Input{"visit": in},
		Data: map[string]int{"most": 10}, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Timeout: 10 * time.Second,
		Record:   func(context.Context, Record) error { return record },
		Canaries: []Canary{{Rule: "visit", Input: visit{"guest", 50}, Allow: true}, {Rule: "visit", Input: visit{"thief", 50}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decide(t *testing.T, e *Engine, input any) Decision {
	t.Helper()
	d, err := e.Decide(t.Context(), "visit", input)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func remembered(e *Engine) *memo { return e.current.Load().rules["visit"].memo }

// What a rule answered is asked of it once, until there are other data: the test spoils what is remembered to see it.
func TestAnAnswerIsRememberedUntilTheDataChange(t *testing.T) {
	t.Parallel()
	e, guest := remembering(t, true, nil), visit{"guest", 20}
	if !decide(t, e, guest).Allowed {
		t.Fatal("a guest is denied")
	}
	m := remembered(e)
	for hash, a := range m.of {
		a.allowed = !a.allowed
		m.of[hash] = a
	}
	if decide(t, e, guest).Allowed {
		t.Error("the rule was evaluated again")
	}
	if !decide(t, e, visit{"guest", 21}).Allowed {
		t.Error("another input got the answer to this one")
	}
	for revision, most := range []int{4, 5} { // 100/20 is 5
		if err := e.SetData(t.Context(), int64(revision+1), map[string]int{"most": most}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if d := decide(t, e, guest); d.Allowed != (most == 5) || d.Bundle != e.Bundle() {
				t.Errorf("with at most %d: %+v", most, d)
			}
		}
	}
}

func TestErrorsAreNotRemembered(t *testing.T) {
	t.Parallel()
	e := remembering(t, true, nil)
	before := len(remembered(e).of)
	for _, in := range []any{visit{"guest", 0}, struct{}{}, map[string]any{"role": "guest", "amount": 50, "more": 1}, "text"} {
		for range 2 {
			if d := decide(t, e, in); d.Allowed {
				t.Errorf("%v is allowed", in)
			}
		}
	}
	if n := len(remembered(e).of); n != before {
		t.Errorf("%d errors are remembered", n-before)
	}
}

func TestARecordedRuleRemembersNothing(t *testing.T) {
	t.Parallel()
	if remembered(remembering(t, false, nil)) != nil {
		t.Error("a rule whose decisions are recorded has a memo")
	}
}

// Each caller has its own reasons: what one adds to them, another does not see.
func TestADenialThatIsRememberedIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	e := remembering(t, true, errors.New("no space"))
	first, err := e.Decide(t.Context(), "visit", visit{"thief", 20})
	if err == nil || first.Allowed || len(first.Reasons) != 2 {
		t.Fatalf("%+v, %v; want a denial that could not be recorded", first, err)
	}
	first.Reasons[0] = "changed"
	d := decide(t, e, visit{"thief", 20}) // within the second, so not to be recorded
	if d.Allowed || len(d.Reasons) != 1 || d.Reasons[0] != "guests only" {
		t.Errorf("%+v", d)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	m := newMemo()
	for n := range 3*mostRemembered + 1 {
		m.put(sha256.Sum256(fmt.Append(nil, n)), answer{allowed: true})
		if len(m.of) > mostRemembered {
			t.Fatalf("%d answers are remembered", len(m.of))
		}
	}
	if a, ok := m.get(sha256.Sum256(fmt.Append(nil, 3*mostRemembered))); !ok || !a.allowed {
		t.Error("the latest is not remembered")
	}
}
