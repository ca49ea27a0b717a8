package oracle

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// buyer is what the models need of one customer: x repeat purchase days, the last after tx weeks, seen for T weeks, and
// the mean spend of the repeat days in whole units.
type buyer struct{ x, tx, T, spend float64 }

// buyersAt summarises the orders up to and on the day asOf, one purchase for each customer and day.
func buyersAt(orders []Order, asOf time.Time) []buyer {
	days := map[string]map[time.Time]int64{}
	for _, o := range orders {
		if o.Day.After(asOf) {
			continue
		}
		if days[o.Customer] == nil {
			days[o.Customer] = map[time.Time]int64{}
		}
		days[o.Customer][o.Day] += o.Cents
	}
	var names []string
	for c := range days {
		names = append(names, c)
	}
	slices.Sort(names)
	buyers := make([]buyer, 0, len(names))
	for _, c := range names {
		buyers = append(buyers, summary(days[c], asOf))
	}
	return buyers
}

func summary(days map[time.Time]int64, asOf time.Time) buyer {
	var first, last time.Time
	for d := range days {
		if first.IsZero() || d.Before(first) {
			first = d
		}
		if d.After(last) {
			last = d
		}
	}
	b := buyer{x: float64(len(days) - 1), tx: weeks(first, last), T: weeks(first, asOf)}
	for d, cents := range days {
		if !d.Equal(first) {
			b.spend += float64(cents) / 100 / b.x
		}
	}
	b.spend = max(0, b.spend) // who gave back more than they bought is taken as having spent nothing
	return b
}

func weeks(from, to time.Time) float64 { return to.Sub(from).Hours() / 24 / 7 }

func lgamma(v float64) float64 { l, _ := math.Lgamma(v); return l }

// buying is the BG/NBD log-likelihood (Fader, Hardie & Lee 2005, eq. 6) at r, alpha, a, b.
func buying(bs []buyer, r, alpha, a, b float64) float64 {
	// A customer's term is split so that what depends on x alone is worked out once for each x.
	most := 0.0
	for _, c := range bs {
		most = max(most, c.x)
	}
	head, last, known := make([]float64, int(most)+1), make([]float64, int(most)+1), make([]bool, int(most)+1)
	ll := 0.0
	for _, c := range bs {
		x := int(c.x)
		if !known[x] {
			known[x] = true
			head[x] = lgamma(r+c.x) - lgamma(r) + r*math.Log(alpha) + lgamma(a+b) + lgamma(b+c.x) - lgamma(b) - lgamma(a+b+c.x)
			last[x] = math.Log(a) - math.Log(b+math.Max(c.x, 1)-1)
		}
		alive := -(r + c.x) * math.Log(alpha+c.T)
		if x == 0 {
			ll += head[x] + alive
			continue
		}
		gone := last[x] - (r+c.x)*math.Log(alpha+c.tx)
		top := math.Max(alive, gone)
		ll += head[x] + top + math.Log(math.Exp(alive-top)+math.Exp(gone-top))
	}
	return ll
}

// spending is the Gamma-Gamma log-likelihood (Fader & Hardie 2013, eq. 1a) over customers who came again and spent.
func spending(bs []buyer, p, q, gamma float64) float64 {
	ll := 0.0
	for _, c := range bs {
		if c.x < 1 || c.spend <= 0 {
			continue
		}
		ll += lgamma(p*c.x+q) - lgamma(p*c.x) - lgamma(q) + q*math.Log(gamma) + (p*c.x-1)*math.Log(c.spend) +
			p*c.x*math.Log(c.x) - (p*c.x+q)*math.Log(gamma+c.x*c.spend)
	}
	return ll
}

// expected is E[Y(t) | x, tx, T] of the BG/NBD (eq. 10), with the hypergeometric function summed term by term.
func expected(c buyer, t, r, alpha, a, b float64) float64 {
	z := t / (alpha + c.T + t)
	f, term := 1.0, 1.0
	for n := 0.0; n < 1e5 && math.Abs(term) > 1e-14*math.Abs(f); n++ {
		term *= (r + c.x + n) * (b + c.x + n) / (a + b + c.x - 1 + n) * z / (n + 1)
		f += term
	}
	more := (a + b + c.x - 1) / (a - 1) * (1 - math.Pow((alpha+c.T)/(alpha+c.T+t), r+c.x)*f)
	if c.x > 0 {
		more /= 1 + a/(b+c.x-1)*math.Pow((alpha+c.T)/(alpha+c.tx), r+c.x)
	}
	return more
}

// ridge is how large a parameter of what differs between customers may become: beyond it the likelihood has no top, only a
// ridge along which two of them grow without bound, and there is no model to speak of.
const ridge = 100

// ridged reports whether the search for the buying model, or for that of spending, ran away along its ridge.
func (f fit) ridged() bool { return math.Exp(max(f.buy[2], f.buy[3], f.spend[1])) > ridge }

// fit is where the searches ended, in logarithms, so that the next month's begins there.
type fit struct{ buy, spend []float64 }

func start() fit {
	return fit{logs(.25, 4.5, .8, 2.4), logs(6, 4, 15)}
}

func logs(v ...float64) []float64 {
	for i := range v {
		v[i] = math.Log(v[i])
	}
	return v
}

// value is the mean over all customers of the purchases expected in the next 52 weeks times the spend expected at each.
func value(bs []buyer, from fit) (float64, fit) {
	v := best(func(p []float64) float64 {
		return -buying(bs, math.Exp(p[0]), math.Exp(p[1]), math.Exp(p[2]), math.Exp(p[3]))
	}, start().buy, from.buy)
	s := best(func(p []float64) float64 { return -spending(bs, math.Exp(p[0]), math.Exp(p[1]), math.Exp(p[2])) }, start().spend, from.spend)
	r, alpha, a, b := math.Exp(v[0]), math.Exp(v[1]), math.Exp(v[2]), math.Exp(v[3])
	p, q, gamma := math.Exp(s[0]), math.Exp(s[1]), math.Exp(s[2])
	sum := 0.0
	for _, c := range bs {
		sum += expected(c, 52, r, alpha, a, b) * p * (gamma + c.x*c.spend) / (p*c.x + q - 1)
	}
	return sum / float64(len(bs)), fit{v, s}
}

// bootstrap returns the standard deviation of the value over so many resamples of the customers.
func bootstrap(bs []buyer, from fit, times int, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	var values []float64
	for range times {
		again := make([]buyer, len(bs))
		for i := range again {
			again[i] = bs[rng.IntN(len(bs))]
		}
		v, _ := value(again, from)
		values = append(values, v)
	}
	mean, squares := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(times)
	}
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(times-1))
}

// Parameters returns the parameters of the BG/NBD (r, alpha in weeks, a, b) and of the Gamma-Gamma model (p, q, gamma in
// whole units of money) that are likeliest as of a day.
func Parameters(orders []Order, asOf time.Time) (r, alpha, a, b, p, q, gamma float64) {
	_, at := value(buyersAt(orders, asOf), start())
	return math.Exp(at.buy[0]), math.Exp(at.buy[1]), math.Exp(at.buy[2]), math.Exp(at.buy[3]),
		math.Exp(at.spend[0]), math.Exp(at.spend[1]), math.Exp(at.spend[2])
}
