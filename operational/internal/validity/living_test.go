package validity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

const sources, rolling = 5, 52 // weeks of the rolling window

var sourceShares = []float64{.45, .27, .15, .10, .03}

// living is the living base of section 3.0: customers are replaced at 1/300 a week, and buy at their preferred source in
// four of five cases. Who is gone keeps their facts.
type living struct {
	r         *rand.Rand
	customers []resident
	alive     []int // customer in each place
	orders    [rolling][]purchase
	week      int
	moments   *Moments // of (money, orders) per source, of customers with an order in the rolling window
	window    []Term   // of the current window for V2, per customer
	level     float64
	unknown   float64 // factor on money at the last source
}

type resident struct {
	rate, basket float64
	preferred    int
	z            []int64
	orders       int64
}

type purchase struct {
	customer, source int
	cents            int64
}

func newLiving(seed uint64, size int) *living {
	l := &living{r: random(seed, "living"), moments: must(NewMoments(2 * sources)), level: 1, unknown: 1}
	for range size {
		l.alive = append(l.alive, l.arrive())
	}
	return l
}

func (l *living) arrive() int {
	l.customers = append(l.customers, resident{rate: gamma(l.r, 1, .25), basket: math.Exp(3 + .6*l.r.NormFloat64()),
		preferred: pick(l.r, sourceShares), z: make([]int64, 2*sources)})
	l.window = append(l.window, Term{})
	return len(l.customers) - 1
}

func (l *living) step() {
	slot := l.week % rolling
	for _, p := range l.orders[slot] {
		l.change(p, -1)
	}
	l.orders[slot] = l.orders[slot][:0]
	for place, c := range l.alive {
		if l.r.Float64() < 1./300 {
			c = l.arrive()
			l.alive[place] = c
		}
		for range poisson(l.r, l.customers[c].rate) {
			p := purchase{customer: c, source: l.customers[c].preferred}
			if l.r.Float64() > .8 {
				p.source = pick(l.r, sourceShares)
			}
			y := l.level * l.customers[c].basket * math.Exp(.3*l.r.NormFloat64())
			if p.source == sources-1 {
				y *= l.unknown
			}
			p.cents = int64(math.Round(100 * y))
			l.orders[slot] = append(l.orders[slot], p)
			l.change(p, 1)
			l.window[c].Num += p.cents
			l.window[c].Den++
		}
	}
	l.week++
}

// change adds an order to its customer, or takes it out when the rolling window has passed it: new less old.
func (l *living) change(p purchase, sign int64) {
	c := &l.customers[p.customer]
	if c.orders > 0 {
		if err := l.moments.Remove(c.z); err != nil {
			panic(err)
		}
	}
	c.z[2*p.source] += sign * p.cents
	c.z[2*p.source+1] += sign
	c.orders += sign
	if c.orders > 0 {
		if err := l.moments.Add(c.z); err != nil {
			panic(err)
		}
	}
}

// close returns the window of V2 and begins the next.
func (l *living) close() ([]Term, []Score) {
	terms, scores := append([]Term(nil), l.window...), make([]Score, len(l.window))
	for i, t := range terms {
		scores[i] = LogMoney(t.Num)
	}
	clear(l.window)
	return terms, scores
}

func (l *living) vectors() (vectors [][]int64, terms []Term) {
	for _, c := range l.customers {
		if c.orders > 0 {
			t := Term{}
			for g := range sources {
				t.Num, t.Den = t.Num+c.z[2*g], t.Den+c.z[2*g+1]
			}
			vectors, terms = append(vectors, c.z), append(terms, t)
		}
	}
	return vectors, terms
}

// watch runs the five questions over a living base for 20 years of weekly looks and counts verdicts. change may alter the
// base before a week.
func watch(t *testing.T, seed uint64, size, weeks int, change func(l *living, week int)) (failed [5]bool, held [5]int, looks int) {
	t.Helper()
	const tau, looksTotal = .10, 1040
	l := newLiving(seed, size)
	var terms [][]Term
	var scores [][]Score
	for len(terms) < leastBaseline {
		for range weeks {
			l.step()
		}
		a, b := l.close()
		terms, scores = append(terms, a), append(scores, b)
	}
	for w := range terms { // those who came during the baseline were not there before
		terms[w] = append(terms[w], make([]Term, len(l.customers)-len(terms[w]))...)
		scores[w] = append(scores[w], make([]Score, len(l.customers)-len(scores[w]))...)
	}
	base, spreadBase := must(NewBaseline(terms)), must(NewSpreadBaseline(scores))
	v2, v4b := must(NewVelocity(tau, base.StdErr())), must(NewSpread(spreadBase.StdErr()))
	whole := moneyPerPurchase(sources, func(int) bool { return true })
	published, _, err := whole.Of(l.moments, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	s := Standing{Published: published.Value, Band: tau * published.Value}
	for week := 1; week <= looksTotal; week++ {
		if change != nil {
			change(l, week)
		}
		l.step()
		if week%weeks == 0 {
			a, b := l.close()
			shift, err := base.Compare(a)
			close(t, v2, shift, err)
			shift, err = spreadBase.Compare(b)
			close(t, v4b, shift, err)
		}
		found := l.judge(t, s, tau, (week+rolling-1)/rolling, v2, v4b)
		for i, v := range []contract.Verdict{found.Volume, found.Velocity, found.Variety, found.Variability, found.Veracity} {
			failed[i] = failed[i] || v == contract.Fails
			held[i] += count(v == contract.Holds)
		}
		looks++
	}
	return failed, held, looks
}

func (l *living) judge(t *testing.T, s Standing, tau float64, windows int, v2, v4b *Velocity) contract.Verdicts {
	t.Helper()
	vectors, terms := l.vectors()
	whole := moneyPerPurchase(sources, func(int) bool { return true })
	now, influence, err := whole.Of(l.moments, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	now.Peak = influence.Peak(vectors)
	formats := make([]Format, sources)
	for g := range formats {
		formats[g].Name = fmt.Sprint("source ", g)
		if formats[g].Without, _, err = Without(moneyPerPurchase(sources, func(f int) bool { return f != g }), whole, l.moments, 0, false); err != nil {
			t.Fatal(err)
		}
		formats[g].Without.Peak = now.Peak
	}
	fall, tail, err := TailFall(terms, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	unknown := l.moments.Mean(2*(sources-1)) * .01 / (now.Value * denominator(l.moments))
	return contract.Verdicts{
		Volume:      s.Volume(now, windows).Verdict,
		Velocity:    v2.Finding().Verdict,
		Variety:     Variety(formats, 0, tau, math.NaN(), windows).Verdict,
		Variability: Gravest(Tail(fall, tail, windows, 1), v4b.Finding()).Verdict,
		Veracity:    Veracity(formats[sources-1].Without, unknown, tau, 1, windows).Verdict,
	}
}

func denominator(m *Moments) (sum float64) {
	for g := range sources {
		sum += m.Mean(2*g + 1)
	}
	return sum
}

var questions = []string{"V1", "V2", "V3", "V4", "V5"}

// A6: a base that lives and does not change, 1,040 weekly looks, all five questions: nothing fails.
func TestA6LivingBaseNothingFails(t *testing.T) {
	r, any := runs(100, 2), 0
	for seed := range r {
		failed, _, _ := watch(t, uint64(9001+seed), 2000, 4, nil)
		if failed != [5]bool{} {
			any++
			t.Logf("seed %d: failed %v", 9001+seed, failed)
		}
	}
	atMost(t, "A6 any question ever fails", any, r, .08)
}

// A7: the same with the window chosen so that s <= tau/4 (eight weeks, 3,000 customers): each question holds.
func TestA7LivingBaseHolds(t *testing.T) {
	r := runs(20, 1)
	var held [5]int
	looks := 0
	for seed := range r {
		failed, h, n := watch(t, uint64(9011+seed), 3000, 8, nil)
		for i := range h {
			held[i] += h[i]
		}
		looks += n
		if failed != [5]bool{} {
			t.Logf("seed %d: failed %v", 9011+seed, failed)
		}
	}
	for i, q := range questions {
		// Before the first window is closed, seven looks, V2 and V4 have nothing to hold.
		atLeast(t, "A7 "+q+" holds in looks", held[i], looks, .90)
	}
}

// One cause at a time from week 400: the question that is asked about it fails, and V2 is silent about what it is not asked.
func TestLivingBaseFindsTheCause(t *testing.T) {
	r := runs(12, 1)
	for _, c := range []struct {
		name   string
		change func(l *living, week int)
		fails  int
		silent []int
	}{
		{"level +20 %", func(l *living, week int) {
			if week == 400 {
				l.level = 1.2
			}
		}, 1, []int{2, 4}},
		{"unknown source x6", func(l *living, week int) {
			if week == 400 {
				l.unknown = 6
			}
		}, -1, nil},
	} {
		var sum [5]int
		var held [5]int
		for seed := range r {
			failed, h, _ := watch(t, uint64(9002+seed), 2000, 4, c.change)
			for i, f := range failed {
				sum[i] += count(f)
				held[i] += h[i]
			}
		}
		t.Logf("%s: fails %v of %d runs, holds in %v looks of %d", c.name, sum, r, held, 1040*r)
		if c.fails >= 0 && sum[c.fails] < r {
			t.Errorf("%s: %s fails in %d of %d runs", c.name, questions[c.fails], sum[c.fails], r)
		}
		for _, i := range c.silent {
			if sum[i] > 0 {
				t.Errorf("%s: %s fails in %d runs", c.name, questions[i], sum[i])
			}
		}
		if c.fails < 0 && (held[4] > 450*r || held[4] < 200*r) { // of 1,040 looks, 400 are before the change and up to 52 while the window fills
			t.Errorf("%s: V5 holds in %d looks of %d", c.name, held[4], 1040*r)
		}
	}
}
