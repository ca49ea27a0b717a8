package btyd

import "testing"

// The benchmarks fit all 23,570 customers at the end of the file, about 11,000 merged histories, and report what one
// evaluation of likelihood and gradient costs within a fit.

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
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(evaluations), "ns/eval")
}

func BenchmarkFitBGNBD(b *testing.B)      { benchmarkFit(b, FitBGNBD) }
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
	for b.Loop() {
		if _, err := Value(p, purchases, spend, 52); err != nil {
			b.Fatal(err)
		}
	}
}
