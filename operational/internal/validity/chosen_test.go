package validity

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestChosen: of the group that lies furthest off among many that all are nought, the interval misses in far more than one in twenty runs where
// no allowance is made for the choice, and in no more with it.
func TestChosen(t *testing.T) {
	t.Parallel()
	const seed, runs, customers = 9, 4000, 5000
	r := rand.New(rand.NewPCG(seed, 1))
	for _, groups := range []int{1, 10, 100} {
		plain, widened := 0, 0
		half := Holding().HalfWidth(1, customers)
		for range runs {
			most := 0.
			for range groups { // the mean of so many customers
				most = math.Max(most, math.Abs(r.NormFloat64())/math.Sqrt(customers))
			}
			if most > half {
				plain++
			}
			if most > half*Chosen(groups, customers) {
				widened++
			}
		}
		if groups == 100 && plain < runs/10 || widened > runs/20 {
			t.Errorf("of %d groups the interval misses %d times of %d without and %d with allowance; seed %d", groups, plain, runs, widened, seed)
		}
	}
	if Chosen(0, 100) != 1 || Chosen(1, 100) != 1 || Chosen(7, 0) != 1 || !(Chosen(50, 400) > Chosen(5, 400)) {
		t.Error("it is no allowance")
	}
}
