// Package lifecycletest generates the tests of a life cycle from its table.
package lifecycletest

import (
	"slices"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// Test tries every event by every actor in every state: what the table has takes place and enters the history, and
// everything else is refused with what the state allows. It checks too that the table is unambiguous, that every state
// can be reached from the first, that the ends have no way on, and that every other state has a way to an end.
func Test[S, E ~string](t *testing.T, table lifecycle.Table[S, E], first S, events []E, ends ...S) {
	t.Helper()
	actors := []lifecycle.Actor{lifecycle.Person, lifecycle.Functional, lifecycle.Clock, lifecycle.Successor, lifecycle.Policy}
	for _, from := range table.States() {
		for _, e := range events {
			for _, by := range actors {
				try(t, table, from, e, by)
			}
		}
	}
	for _, r := range table.Rows {
		if !slices.Contains(events, r.Event) || !slices.Contains(actors, r.By) {
			t.Errorf("%v names an event or an actor that is not on the list", r)
		}
	}
	reached := closure(table, []S{first})
	for _, s := range table.States() {
		if !slices.Contains(reached, s) {
			t.Errorf("state %s cannot be reached from %s", s, first)
		}
		onward := closure(table, []S{s})
		switch {
		case slices.Contains(ends, s) && len(onward) > 1:
			t.Errorf("end %s leads on to %v", s, onward)
		case !slices.ContainsFunc(onward, func(s S) bool { return slices.Contains(ends, s) }):
			t.Errorf("no way leads from %s to an end", s)
		}
	}
}

func try[S, E ~string](t *testing.T, table lifecycle.Table[S, E], from S, e E, by lifecycle.Actor) {
	t.Helper()
	var want []S
	for _, r := range table.Rows {
		if r.From == from && r.Event == e && r.By == by {
			want = append(want, r.To)
		}
	}
	turn := lifecycle.Turn{Now: time.UnixMilli(1), By: "somebody", Reason: "why"}
	got, history, err := table.Move(nil, "x", from, e, by, turn)
	switch {
	case len(want) > 1:
		t.Errorf("%s %s by %s leads to %v: the table is ambiguous", from, e, by, want)
	case len(want) == 1 && (err != nil || got != want[0] || len(history) != 1 || history[0].From != string(from) ||
		history[0].To != string(got) || history[0].By != "somebody" || history[0].Reason != "why" || history[0].At != turn.Now):
		t.Errorf("%s %s by %s: got %s, %v, %v, want %s and one entry", from, e, by, got, history, err, want[0])
	case len(want) == 0 && (fault.CodeOf(err) != fault.IllegalTransition || got != from || len(history) != 0):
		t.Errorf("%s %s by %s: got %s, %v, %v, want a refusal", from, e, by, got, history, err)
	}
}

func closure[S, E ~string](table lifecycle.Table[S, E], from []S) []S {
	reached := slices.Clone(from)
	for i := 0; i < len(reached); i++ {
		for _, r := range table.Rows {
			if r.From == reached[i] && !slices.Contains(reached, r.To) {
				reached = append(reached, r.To)
			}
		}
	}
	return reached
}
