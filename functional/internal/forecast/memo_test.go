package forecast

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMemoKnowsWhatItWasAsked(t *testing.T) {
	t.Parallel()
	m := NewMemo()
	ask := func(s Series, ahead int) *Forecast {
		t.Helper()
		got, err := m.Of(s, ahead, DefaultGates())
		want, werr := Of(s, ahead, DefaultGates())
		if (err == nil) != (werr == nil) {
			t.Fatalf("%v; without a memo %v", err, werr)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the memo's forecast differs:\n%s", d)
		}
		return got
	}
	s := Series{Values: oil, Bounds: Positive()}
	first := ask(s, 3)
	if again, _ := m.Of(Series{Values: append([]float64(nil), oil...), Bounds: Positive()}, 3, DefaultGates()); again != first {
		t.Error("an equal series was forecast anew")
	}
	changed := append([]float64(nil), oil...)
	changed[len(changed)-1] = math.Nextafter(changed[len(changed)-1], 0)
	for name, other := range map[string]Series{"another value": {Values: changed, Bounds: Positive()}, "other bounds": {Values: oil}, "too short": {Values: oil[:5]}} {
		if f := ask(other, 3); f == first {
			t.Errorf("%s: the same forecast", name)
		}
	}
	if ask(s, 4) == first {
		t.Error("another distance: the same forecast")
	}
	for i := range 2 * remembered {
		_, _ = m.Of(Series{Values: []float64{float64(i)}}, 1, DefaultGates())
	}
	if len(m.known) != remembered || len(m.oldest) != remembered {
		t.Errorf("it keeps %d and %d, want %d", len(m.known), len(m.oldest), remembered)
	}
}
