package wording

import "testing"

func TestMethod(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{
		"linear_trend": "a straight line through the last windows up to six",
		"holt_winters": "level, trend and season, newer windows counting more",
		"new_method":   "new method",
	} {
		if got := Method(how); got != want {
			t.Errorf("%s: %q, want %q", how, got, want)
		}
	}
}
