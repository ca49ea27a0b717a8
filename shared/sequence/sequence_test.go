package sequence

import (
	"math"
	"testing"
)

func TestNeededIsWhatPublicationTakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spread, tolerance float64
		bounded           bool
		least, most       int64
	}{
		"a rate of 20 % within a tenth": {2, .1, true, 15_000, 15_600}, // one look at a fixed number would take 1,537
		"a share that hardly varies":    {.1, .5, true, LeastBounded, LeastBounded},
		"money that hardly varies":      {.1, .5, false, LeastSubjects, LeastSubjects},
		"no tolerance":                  {2, 0, false, LeastSubjects, LeastSubjects},
		"none at all can tell":          {2, 1e-12, true, farthest, farthest},
	} {
		n := Needed(c.spread, c.tolerance, c.bounded)
		if n < c.least || n > c.most {
			t.Errorf("%s: %d customers, want %d to %d", name, n, c.least, c.most)
		}
		if c.tolerance <= 0 || n == farthest {
			continue
		}
		if h := c.spread * Published().HalfWidth(float64(n)); h > c.tolerance/2 {
			t.Errorf("%s: ±%v with %d customers", name, h, n)
		}
		if h := c.spread * Published().HalfWidth(float64(n-1)); h <= c.tolerance/2 && n > LeastSubjects {
			t.Errorf("%s: one customer fewer is enough", name)
		}
	}
}

func TestHalfWidthAtItsEnds(t *testing.T) {
	t.Parallel()
	b := Published()
	if !math.IsInf(b.HalfWidth(0), 1) || b.HalfWidth(math.Inf(1)) != 0 {
		t.Error("nobody tells nothing, and everybody everything")
	}
	for m := 1.; m < 1e7; m *= 1.3 {
		if b.HalfWidth(m+1) >= b.HalfWidth(m) {
			t.Fatalf("%v customers tell less than one fewer", m+1)
		}
	}
}
