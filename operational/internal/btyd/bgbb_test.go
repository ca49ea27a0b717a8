package btyd

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/strata-crm/strata/shared/fault"
)

func readDonations() ([]Opportunities, error) {
	dir, err := dataDir()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, "cdnow", "donations.csv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	var out []Opportunities
	for _, row := range rows[1:] {
		var v [4]int
		for i := range v {
			if v[i], err = strconv.Atoi(row[i]); err != nil {
				return nil, err
			}
		}
		out = append(out, Opportunities{v[0], v[1], v[2], v[3]})
	}
	return out, nil
}

func TestBGBBDonations(t *testing.T) {
	t.Parallel()
	donors := dataFile(t, readDonations)
	f, err := FitBGBB(donors, DefaultGates())
	if err != nil {
		t.Fatal(err)
	}
	near(t, "alpha", f.Model.Alpha, 1.204, 1e-3)
	near(t, "beta", f.Model.Beta, .750, 1e-3)
	near(t, "gamma", f.Model.Gamma, .657, 1e-3)
	near(t, "delta", f.Model.Delta, 2.783, 1e-3)
	// Fader, Hardie & Shang (2010): the log-likelihood, and the five years to come of the best and the worst donors.
	near(t, "LL", f.LogLikelihood, -33225.6, .051)
	near(t, "next five after 6 of 6", f.Model.ExpectedGiven(6, 6, 6, 5), 3.75, .0051)
	near(t, "next five after 0 of 6", f.Model.ExpectedGiven(0, 0, 6, 5), .07, .0051)
	reversed := slices.Clone(donors)
	slices.Reverse(reversed)
	again, err := FitBGBB(reversed, DefaultGates())
	if err != nil || again.Model != f.Model {
		t.Errorf("in another order: %+v, %v", again, err)
	}
	ll, err := f.Model.LogLikelihood(donors)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "LL by the model", ll, f.LogLikelihood, 1e-7)
}

func TestBGBBGradient(t *testing.T) {
	t.Parallel()
	l, err := newBGBB(dataFile(t, readDonations))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range [][]float64{{1.2, .75, .66, 2.8}, {.3, 5, 2, .4}} {
		theta, grad := logs(at...), make([]float64, 4)
		total(l, theta, grad)
		for k := range theta {
			const h = 1e-5
			up, down := slices.Clone(theta), slices.Clone(theta)
			up[k] += h
			down[k] -= h
			want := (total(l, up, nil) - total(l, down, nil)) / (2 * h)
			near(t, fmt.Sprint("gradient at ", at), grad[k], want, 1e-5*(10+math.Abs(want)))
		}
	}
}

// Over all ways to use n chances the probabilities add up to 1, and the counts to the expectation.
func TestBGBBDistributionAddsUp(t *testing.T) {
	t.Parallel()
	m := BGBB{1.204, .75, .657, 2.783}
	const n = 7
	sum, mean, later := 0.0, 0.0, 0.0
	for ways := range 1 << n {
		x, tx := 0, 0
		for i := range n {
			if ways>>i&1 == 1 {
				x, tx = x+1, i+1
			}
		}
		p := math.Exp(logSum(bgbbTerms(Opportunities{X: x, Tx: tx, N: n}, m)))
		if alive := m.PAlive(x, tx, n); !(alive > 0 && alive <= 1) || (tx == n && alive != 1) {
			t.Errorf("P(alive | %d, %d, %d) = %v", x, tx, n, alive)
		}
		sum += p
		mean += p * float64(x)
		later += p * m.ExpectedGiven(x, tx, n, 5)
	}
	near(t, "sum", sum, 1, 1e-12)
	near(t, "mean", mean, m.Expected(n), 1e-12)
	near(t, "mean of the next five", later, m.Expected(n+5)-m.Expected(n), 1e-12)
}

func TestBGBBRefuses(t *testing.T) {
	t.Parallel()
	if _, err := FitBGBB([]Opportunities{{X: 2, Tx: 1, N: 6, Count: 1}}, Gates{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("two purchases by the first chance: got %v, want invalid", err)
	}
	_, err := FitBGBB([]Opportunities{{X: 2, Tx: 3, N: 6, Count: 100}}, DefaultGates())
	refused(t, err, "100 customers came back and the model needs 500")
	_, err = FitBGBB([]Opportunities{{X: 2, Tx: 3, N: 6, Count: 1000}}, DefaultGates())
	refused(t, err, "")
}
