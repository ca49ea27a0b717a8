package insight

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// TestSmallWindows: a window of a week in which two of a thousand customers bought is judged, and nothing is told of it.
func TestSmallWindows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := plain()
	s.customers = 1000
	s.rate = func(day int) float64 {
		if day >= dayOf("2026-01-01") {
			return 0
		}
		return 4
	}
	s.trade(r, 5, 0, dayOf("2026-03-01"))
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: aov(), Tolerance: .10})
	r.until("2026-01-01")
	if i := r.insight(id); i.State != contract.InsightPublished {
		t.Fatal(show(i))
	}
	for w := range 4 { // two buy in each of the first four weeks of January, everybody after that
		for c := range 2 {
			r.add(fmt.Sprintf("customer-%d", 10*w+c), order(contract.Day("2026-01-01").Add(7*w+2), int64(2000+c)))
		}
	}
	r.until("2026-02-01")
	i := r.insight(id)
	at := slices.IndexFunc(i.Findings, func(f contract.Finding) bool { return f.Question == contract.VelocityOf })
	if f := i.Findings[at]; len(i.Windows) != 0 || !f.Hidden || f.Effect != 0 || f.Margin != 0 || f.LogE != 0 || f.Windows != 4 ||
		f.Verdict == contract.NotEnoughData || i.ShelfLife != nil {
		t.Errorf("after weeks of two customers each: %+v, %d windows are told of, shelf life %v", f, len(i.Windows), i.ShelfLife)
	}
	for c := range 1000 {
		x := rand.New(rand.NewPCG(9, uint64(c)))
		for w := 4; w < 8; w++ {
			r.add(fmt.Sprintf("customer-%d", c), order(contract.Day("2026-01-01").Add(7*w+2), 2000+x.Int64N(500)))
		}
	}
	r.until("2026-03-01")
	if i = r.insight(id); len(i.Windows) != 4 || i.Findings[at].Hidden || i.Findings[at].Effect == 0 || i.ShelfLife != nil {
		t.Errorf("when everybody came again: %+v, %d windows are told of, shelf life %v", i.Findings[at], len(i.Windows), i.ShelfLife)
	}
}

// TestFewBuyers: of the sum of a month in which nine bought, the group that is told of is nine, though a thousand were asked.
func TestFewBuyers(t *testing.T) {
	t.Parallel()
	c := &claim{form: form{figure: quotient{1}}}
	c.shape.Form = "total"
	w := crowd{c: c}
	for n := range 1000 {
		x := term{}
		if x.Den = 1; n < 9 {
			x.Num = 1000
		}
		w.add(x)
	}
	if w.smallest() != 9 {
		t.Errorf("the smallest group is of %d customers, want 9", w.smallest())
	}
}

// TestCapTellsOfNobody: the cap is a round number that ten customers and more lie above, or there is none.
func TestCapTellsOfNobody(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int64{2000: 1900, 500: 480, 15: 4, 10: 0} {
		pool := make([]int64, n)
		for i := range pool {
			pool[i] = int64(i)
		}
		got, err := capOf(pool, smallestGroup)
		if err != nil || got != want {
			t.Errorf("of 0 to %d the cap is %d (%v), want %d", n-1, got, err, want)
		}
	}
	same := slices.Repeat([]int64{85559}, 1000)
	if got, err := capOf(same, smallestGroup); got != 0 || err != nil {
		t.Errorf("where all spend the same, the cap is %d (%v), want none", got, err)
	}
	if got, _ := capOf(append(slices.Repeat([]int64{85559}, 990), slices.Repeat([]int64{90001}, 11)...), smallestGroup); got != 85000 {
		t.Errorf("where eleven spend more the cap is %d, want 85000", got)
	}
}
