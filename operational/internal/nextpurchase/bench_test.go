package nextpurchase

import (
	"testing"

	"github.com/strata-crm/strata/operational/internal/datatest"
)

// BenchmarkPredict predicts the customers of the sample one after the other; the time is of one.
func BenchmarkPredict(b *testing.B) {
	histories := datatest.CDNOWSample(b)
	f, err := Fit(histories, datatest.Day("19980630"), DefaultSettings())
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		f.predict(histories[i%len(histories)])
	}
}
