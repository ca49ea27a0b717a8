package seedtest

import "testing"

func TestASeedCanBeGiven(t *testing.T) {
	t.Setenv("STRATA_SEED", "42")
	if got := New(t); got != 42 {
		t.Errorf("the seed is %d, given was 42", got)
	}
	t.Setenv("STRATA_SEED", "")
	if a, b := New(t), New(t); a == 42 || a == b {
		t.Errorf("seeds are %d and %d without one given", a, b)
	}
}
