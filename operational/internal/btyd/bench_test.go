package btyd

import (
	"math"
	"slices"
	"testing"
	"time"
)

// The first benchmarks fit BG/NBD from customers' summaries, what is prepared before the fit included, and print the
// ratio of the time to that of one plain evaluation of the likelihood of the same customers ("plain"). The others fit all
// 23,570 CDNOW customers at the end of the file, about 11,000 merged histories.

func BenchmarkFitBGNBD(b *testing.B) {
	merged := func(b *testing.B, in []Summary) *Population {
		p, err := NewPopulation(in)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	unmerged := func(_ *testing.B, in []Summary) *Population { return everyOne(in) }
	for _, world := range []struct {
		name      string
		customers func() []Summary
	}{
		{"CDNOW, 2357 customers", func() []Summary { return summarise(sampleOrders(b), date("19970930")) }},
		{"CDNOW, 23570 customers", func() []Summary { return summarise(masterOrders(b), date("19970930")) }},
		{"simulated, 1000000 customers", func() []Summary { return firstParts(simulated(fine, 1_000_000, 84, 273, 0, 1)) }},
	} {
		customers := world.customers()
		b.Run(world.name+", equal ones merged", func(b *testing.B) { benchmarkAgainstPlain(b, customers, merged) })
		b.Run(world.name+", one by one", func(b *testing.B) { benchmarkAgainstPlain(b, customers, unmerged) })
	}
}

func benchmarkAgainstPlain(b *testing.B, customers []Summary, prepare func(*testing.B, []Summary) *Population) {
	plain := timeOfPlain(customers)
	rows, evaluations := 0, 0
	for b.Loop() {
		p := prepare(b, customers)
		f, err := FitBGNBD(p, DefaultGates())
		if err != nil {
			b.Fatal(err)
		}
		rows, evaluations = len(p.histories), f.Evaluations
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(plain), "plain/op")
	b.ReportMetric(float64(rows), "rows")
	b.ReportMetric(float64(evaluations), "evals")
}

// timeOfPlain is the time of one evaluation, the mean over a fifth of a second.
func timeOfPlain(customers []Summary) time.Duration {
	from, n := time.Now(), 0
	for time.Since(from) < 200*time.Millisecond {
		if plainLogLikelihood(fine, customers) < 0 {
			n++
		}
	}
	return time.Since(from) / time.Duration(n)
}

// plainLogLikelihood is equation 6 of Fader, Hardie & Lee (2005) for one customer after another.
func plainLogLikelihood(m BGNBD, customers []Summary) float64 {
	sum := 0.0
	for _, c := range customers {
		k := m.R + c.X
		history := math.Exp(-k * math.Log(m.Alpha+c.T))
		if c.X > 0 {
			history += m.A / (m.B + c.X - 1) * math.Exp(-k*math.Log(m.Alpha+c.Tx))
		}
		sum += lgamma(k) - lgamma(m.R) + m.R*math.Log(m.Alpha) +
			lgamma(m.A+m.B) + lgamma(m.B+c.X) - lgamma(m.B) - lgamma(m.A+m.B+c.X) + math.Log(history)
	}
	return sum
}

// everyOne is a population in which equal customers are not merged.
func everyOne(customers []Summary) *Population {
	sorted := slices.Clone(customers)
	slices.SortFunc(sorted, compareSummary)
	p := &Population{cells: sorted, histories: sorted, cellOf: make([]int, len(sorted)), customers: len(sorted)}
	for i, c := range sorted {
		p.cellOf[i] = i
		p.weeks = math.Max(p.weeks, c.T)
		if c.X > 0 {
			p.repeaters++
		}
	}
	p.indexLevels()
	p.indexTimes()
	return p
}

func TestPlainLikelihoodIsTheSame(t *testing.T) {
	t.Parallel()
	customers := summarise(sampleOrders(t), date("19970930"))
	near(t, "plain", plainLogLikelihood(fine, customers), -9582.4292, 1e-3)
	near(t, "one by one", fine.LogLikelihood(everyOne(customers)), -9582.4292, 1e-3)
}

func benchmarkFit[M any](b *testing.B, fit func(*Population, Gates) (*Fit[M], error)) {
	p := population(b, masterOrders(b), "19980630")
	evaluations := 0
	for b.Loop() {
		f, err := fit(p, DefaultGates())
		if err != nil {
			b.Fatal(err)
		}
		evaluations += f.Evaluations
	}
	b.ReportMetric(float64(evaluations)/float64(b.N), "evals/op")
}

func BenchmarkFitMBGNBD(b *testing.B)     { benchmarkFit(b, FitMBGNBD) }
func BenchmarkFitGammaGamma(b *testing.B) { benchmarkFit(b, FitGammaGamma) }

func BenchmarkValue(b *testing.B) {
	p := population(b, masterOrders(b), "19980630")
	purchases, err := FitBGNBD(p, DefaultGates())
	if err != nil {
		b.Fatal(err)
	}
	spend, err := FitGammaGamma(p, DefaultGates())
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]Horizon{"undiscounted": {Weeks: 52}, "discounted": {52, Yearly(.1)}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f, err := ForecastValue(p, purchases, spend, h)
				if err != nil {
					b.Fatal(err)
				}
				f.Mean()
			}
		})
	}
}
