package validity

import (
	"bufio"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
)

// buyer is one CDNOW customer: purchase days in order, same-day orders together.
type buyer struct {
	days   []time.Time
	cents  int64
	orders int64
}

const day = 24 * time.Hour

var calibrationEnd = time.Date(1997, 9, 30, 0, 0, 0, 0, time.UTC)

// cdnowFile reads a CDNOW file; the numbers are the columns of customer, day and dollars.
func cdnowFile(file string, customer, date, dollars int) ([]buyer, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
	}
	f, err := os.Open(filepath.Join(filepath.Dir(dir), "shared", "data", "cdnow", file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	index, out := map[string]int{}, []buyer(nil)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] == "customer_id" {
			continue
		}
		d, err := time.Parse("20060102", fields[date])
		if err != nil {
			return nil, err
		}
		amount, err := strconv.ParseFloat(fields[dollars], 64)
		if err != nil {
			return nil, err
		}
		i, known := index[fields[customer]]
		if !known {
			i = len(out)
			index[fields[customer]], out = i, append(out, buyer{})
		}
		b := &out[i]
		b.cents, b.orders = b.cents+int64(math.Round(amount*100)), b.orders+1
		if n := len(b.days); n == 0 || d.After(b.days[n-1]) {
			b.days = append(b.days, d)
		}
	}
	return out, nil
}

var readMaster = sync.OnceValues(func() ([]buyer, error) { return cdnowFile("CDNOW_master.txt", 0, 1, 3) })

// master returns all 23,570 customers; where the data are absent the test is skipped, but never in CI.
func master(t *testing.T) []buyer {
	t.Helper()
	b, err := readMaster()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skipf("the public data sets are missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// summary is the customer's history until the end of calibration.
func (b buyer) summary() btyd.Summary {
	s := btyd.Summary{T: calibrationEnd.Sub(b.days[0]).Hours() / 24 / 7, Count: 1}
	for _, d := range b.days[1:] {
		if !d.After(calibrationEnd) {
			s.X, s.Tx = s.X+1, d.Sub(b.days[0]).Hours()/24/7
		}
	}
	return s
}

func population(t *testing.T, buyers []buyer) *btyd.Population {
	t.Helper()
	in := make([]btyd.Summary, len(buyers))
	for i, b := range buyers {
		in[i] = b.summary()
	}
	return must(btyd.NewPopulation(in))
}

// A16, first part: full values, and how many customers are read in random orders.
func TestA16CDNOWExtraction(t *testing.T) {
	buyers := master(t)
	const limit = 85559 // cents
	type insight struct {
		name     string
		kind     Kind
		term     func(b buyer) Term
		full     float64
		digits   float64    // half of the last one that is given
		at       [2]float64 // median customers read at 5 % and 10 %
		expected float64    // share of runs in which the answer may be off by more than the tolerance
	}
	all := float64(len(buyers))
	for _, c := range []insight{
		{"repeat rate", Share, func(b buyer) Term { return Whether(true, len(b.days) > 1) }, .48859, 5e-6, [2]float64{3318, 1070}, .02},
		{"mean spend", Mean, func(b buyer) Term { return Number(b.cents) }, 10608.04, 5e-3, [2]float64{all, all}, .01},
		{"mean spend capped", CappedMean, func(b buyer) Term { return Capped(b.cents, limit) }, 0, 0, [2]float64{6054, 1921}, .02},
		{"order value", Ratio, func(b buyer) Term { return Term{b.cents, b.orders} }, 3589.36, 5e-3, [2]float64{all, all}, .01},
	} {
		terms := make([]Term, len(buyers))
		for i, b := range buyers {
			terms[i] = c.term(b)
		}
		num, den := sums(terms)
		truth := num / den
		if c.full > 0 {
			near(t, c.name, truth, c.full, c.digits)
		}
		step := 10
		if c.kind == Ratio {
			step = 100 // its guard reads everybody again
		}
		r := runs(300, 30)
		for k, tau := range []float64{.05, .10} {
			var read []float64
			wrong := 0
			for seed := range r {
				rnd := random(uint64(seed+1), "cdnow")
				rnd.Shuffle(len(terms), func(i, j int) { terms[i], terms[j] = terms[j], terms[i] })
				x := must(NewExtraction(c.kind, Tolerance{Size: tau}, int64(len(terms))))
				for i, term := range terms {
					if err := x.Add(Priority(i), term); err != nil {
						t.Fatal(err)
					}
					if (i+1)%step == 0 && x.Done() {
						break
					}
				}
				a := x.Answer()
				read = append(read, float64(a.N))
				wrong += count(math.Abs(a.Value-truth) > tau*truth)
			}
			medianNear(t, "A16 "+c.name+" read", read, c.at[k], .10)
			atMost(t, "A16 "+c.name+" error > tolerance", wrong, r, c.expected)
		}
		slices.SortFunc(terms, func(a, b Term) int { return int(a.Num - b.Num) })
	}
}

// A16, second part: the BG/NBD 39-week total on growing samples of random orders.
func TestA16CDNOWModelTotal(t *testing.T) {
	buyers := slices.Clone(master(t))
	exactly(t, "CDNOW: BG/NBD 39-week total, median look at 5 % and 10 %", "19,000; 10,500 or 14,500")
	r := runs(40, 2)
	var at5, at10 []float64
	for seed := range r {
		random(uint64(10000+seed), "model").Shuffle(len(buyers), func(i, j int) { buyers[i], buyers[j] = buyers[j], buyers[i] })
		n5, n10 := float64(len(buyers)), float64(len(buyers))
		looks := []int{600, 900, 1300, 1900, 2700, 3800, 5300, 7500, 10500, 14500, 19000}
		if !full() {
			looks = looks[7:]
		}
		for _, n := range looks {
			p := population(t, buyers[:n])
			fit, err := btyd.FitBGNBD(p, btyd.Gates{})
			if err != nil {
				continue // too few customers to tell the parameters apart
			}
			total := must(btyd.Purchases(p, fit, 39))
			e := Estimate{Value: total.Mean, SD: total.StdErr * math.Sqrt(float64(n)), N: int64(n), Of: int64(len(buyers))}
			if h := e.Today(Holding()); h > .10*e.Value {
				continue
			}
			information, grad, expected, scores := linearise(t, buyers[:n], fit.Model, 39)
			e = must(FromInfluences(total.Mean, must(ModelInfluence(expected, grad, information, scores)), e.Of, false))
			if e.ShownToday() != Released {
				continue
			}
			n10 = min(n10, float64(n))
			if e.Today(Holding()) <= .05*e.Value {
				n5 = min(n5, float64(n))
				break
			}
		}
		at5, at10 = append(at5, n5), append(at10, n10)
	}
	t.Logf("A16 BG/NBD total: read for 5 %%: %v, for 10 %%: %v", at5, at10)
	if m := middle(at5); m != 19_000 {
		t.Errorf("A16 BG/NBD total at 5 %%: median %g, want the look at 19,000", m)
	}
	// At 10 % the guard decides: at 10,500 one customer holds 3.4 to 6.2 % of the variance, so that the median is this look
	// or the next, 14,500.
	if m := middle(at10); m != 10_500 && m != 14_500 {
		t.Errorf("A16 BG/NBD total at 10 %%: median %g, want the look at 10,500 or 14,500", m)
	}
}

func TestA16CDNOWModelFit(t *testing.T) {
	master(t)
	exactly(t, "CDNOW: log-likelihood, influences against the model's own standard error", "1e-3")
	sample, err := cdnowFile("CDNOW_sample.txt", 1, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	p := population(t, sample)
	fit := must(btyd.FitBGNBD(p, btyd.Gates{}))
	near(t, "log-likelihood of the sample", fit.LogLikelihood, -9582.4292, 1e-3)

	// The influences of this package give the standard error that btyd gives.
	information, grad, expected, scores := linearise(t, sample, fit.Model, 39)
	psi := must(ModelInfluence(expected, grad, information, scores))
	mean := 0.0
	for _, e := range expected {
		mean += e / float64(len(expected))
	}
	e := must(FromInfluences(mean, psi, 23_570, false))
	want := must(btyd.Purchases(p, fit, 39))
	near(t, "mean", e.Value, want.Mean, 1e-9)
	near(t, "standard error", e.SD/math.Sqrt(float64(e.N)), want.StdErr, 1e-3*want.StdErr)
	if plugIn := sdOf(expected) / math.Sqrt(float64(len(expected))); plugIn > .8*want.StdErr {
		t.Errorf("with the parameters held fixed the error is %.4f of %.4f: this case cannot tell them apart", plugIn, want.StdErr)
	}
}

func sdOf(v []float64) float64 {
	var s, q float64
	for _, x := range v {
		s, q = s+x/float64(len(v)), q+x*x/float64(len(v))
	}
	return math.Sqrt(q - s*s)
}

const logStep = 1e-4

func bgnbd(theta [4]float64) btyd.BGNBD {
	return btyd.BGNBD{R: math.Exp(theta[0]), Alpha: math.Exp(theta[1]), A: math.Exp(theta[2]), B: math.Exp(theta[3])}
}

func thetaOf(m btyd.BGNBD) [4]float64 {
	return [4]float64{math.Log(m.R), math.Log(m.Alpha), math.Log(m.A), math.Log(m.B)}
}

// derivative is the central difference by each log-parameter.
func derivative(m btyd.BGNBD, f func(btyd.BGNBD) float64) (grad [4]float64) {
	for k := range grad {
		up, down := thetaOf(m), thetaOf(m)
		up[k], down[k] = up[k]+logStep, down[k]-logStep
		grad[k] = (f(bgnbd(up)) - f(bgnbd(down))) / (2 * logStep)
	}
	return grad
}

// information is the observed one per customer, by log-parameters, by differences of the log-likelihood.
func informationOf(p *btyd.Population, m btyd.BGNBD) [][]float64 {
	const step = 5e-3
	at := func(i, j int, si, sj float64) float64 {
		theta := thetaOf(m)
		theta[i] += si * step
		theta[j] += sj * step
		return bgnbd(theta).LogLikelihood(p)
	}
	out := make([][]float64, 4)
	for i := range out {
		out[i] = make([]float64, 4)
		for j := range out[i] {
			d := at(i, j, 1, 1) - at(i, j, 1, -1) - at(i, j, -1, 1) + at(i, j, -1, -1)
			out[i][j] = -d / (4 * step * step) / float64(p.Customers())
		}
	}
	return out
}

func linearise(t *testing.T, buyers []buyer, m btyd.BGNBD, weeks float64) (information [][]float64, grad, expected []float64, scores [][]float64) {
	t.Helper()
	information, grad = informationOf(population(t, buyers), m), make([]float64, 4)
	for _, b := range buyers {
		s := b.summary()
		expected = append(expected, m.ExpectedGiven(s.X, s.Tx, s.T, weeks))
		for k, d := range derivative(m, func(m btyd.BGNBD) float64 { return m.ExpectedGiven(s.X, s.Tx, s.T, weeks) }) {
			grad[k] += d / float64(len(buyers))
		}
		one := must(btyd.NewPopulation([]btyd.Summary{s}))
		score := derivative(m, func(m btyd.BGNBD) float64 { return m.LogLikelihood(one) })
		scores = append(scores, score[:])
	}
	return information, grad, expected, scores
}

// The CDNOW story: fitted on 39 weeks, the forecast of the next 39 is refuted by V2 in the third window of four weeks, in the
// second if the forecast's own error is ignored.
func TestA16CDNOWVelocityStory(t *testing.T) {
	buyers := master(t)
	exactly(t, "CDNOW: velocity refutes the 39-week forecast in the third 4-week window", "0.02 of log e")
	p := population(t, buyers)
	fit := must(btyd.FitBGNBD(p, btyd.Gates{}))
	var inverse mat.Dense
	if err := inverse.Inverse(mat.NewDense(4, 4, slices.Concat(informationOf(p, fit.Model)...))); err != nil {
		t.Fatal(err)
	}
	_, _, _, scores := linearise(t, buyers, fit.Model, 39)
	// forecast of window w (1, 2, ...) for one customer
	forecast := func(m btyd.BGNBD, s btyd.Summary, w int) float64 {
		f := m.ExpectedGiven(s.X, s.Tx, s.T, float64(4*w))
		if w > 1 {
			f -= m.ExpectedGiven(s.X, s.Tx, s.T, float64(4*(w-1)))
		}
		return f
	}
	widened, narrow := must(NewVelocity(.10, 0)), must(NewVelocity(.10, 0))
	ratios := []float64{1.056, 1.239, 1.252, .967, 1.020, 1.394, 1.262, 1.098, 1.231}
	for w := 1; w <= 9; w++ {
		from := calibrationEnd.Add(time.Duration(28*(w-1)) * day)
		var total, actual float64
		expected, seen, grad := make([]float64, len(buyers)), make([]float64, len(buyers)), [4]float64{}
		for i, b := range buyers {
			s := b.summary()
			expected[i] = forecast(fit.Model, s, w)
			for _, d := range b.days {
				if d.After(from) && !d.After(from.Add(28*day)) {
					seen[i]++
				}
			}
			total, actual = total+expected[i], actual+seen[i]
		}
		near(t, "actual/predicted", actual/total, ratios[w-1], 5.1e-4)
		if w > 3 {
			continue
		}
		grad = derivative(fit.Model, func(m btyd.BGNBD) (sum float64) {
			for _, b := range buyers {
				sum += forecast(m, b.summary(), w)
			}
			return sum
		})
		// The forecast's own error, by the influence of each customer on the parameters.
		var weights mat.VecDense
		weights.MulVec(&inverse, mat.NewVecDense(4, grad[:]))
		own := 0.0
		for _, score := range scores {
			psi := mat.Dot(&weights, mat.NewVecDense(4, score)) / float64(len(buyers))
			own += psi * psi
		}
		s := must(CompareForecast(seen, expected))
		if err := errors.Join(widened.CloseAgainst(s, math.Sqrt(own)/total), narrow.CloseAgainst(s, 0)); err != nil {
			t.Fatal(err)
		}
		a, b := widened.Finding(), narrow.Finding()
		t.Logf("window %d: %.3f ± %.3f, forecast's own error %.4f: log e %.3f %s, ignoring it %.3f %s",
			w, 1+s.Effect, s.StdErr, math.Sqrt(own)/total, a.LogE, a.Verdict, b.LogE, b.Verdict)
		near(t, "log e", a.LogE, []float64{-.65, 4.21, 12.51}[w-1], .02)
		near(t, "log e, forecast taken as exact", b.LogE, []float64{-.63, 7.70, 20.16}[w-1], .02)
		wantA := []contract.Verdict{contract.Holds, contract.Weakening, contract.Fails}[w-1]
		wantB := []contract.Verdict{contract.Holds, contract.Fails, contract.Fails}[w-1]
		if a.Verdict != wantA || b.Verdict != wantB {
			t.Errorf("window %d: %s and %s, want %s and %s", w, a.Verdict, b.Verdict, wantA, wantB)
		}
	}
}
