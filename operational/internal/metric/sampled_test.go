package metric_test

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// TestSampled: what the first customers in priority order contribute estimates the whole's value, with an interval that
// holds it as often as it says; what all contribute is the value.
func TestSampled(t *testing.T) {
	t.Parallel()
	const seed, customers, sample, draws = 7, 4000, 800, 200
	subjects := simulated(seed, customers)
	samples := make([][]int, draws)
	for draw := range samples {
		samples[draw] = inOrder(t, draw, subjects)[:sample]
	}
	march := metric.Calendar{WeekStart: time.Monday}.Of(contract.GrainMonth, "1997-03-10")
	for _, id := range []string{"average_order_value_month", "purchase_frequency_month", "month_on_month_retention", "repeat_rate", "nps_month", "answered_after_purchase_30d", "revenue_on_year"} {
		p := program(t, id)
		q, bounded := quotientOf(t, p)
		vectors := make([][]int64, len(subjects))
		for i := range subjects {
			vectors[i] = whole(t, p, &subjects[i], march)
		}
		exact := estimate(t, q, vectors, customers, bounded)
		if value := sumOf(t, p, vectors); math.Abs(exact.Value-value) > 1e-9*math.Abs(value) || !exact.Exact() || exact.Today(validity.Holding()) != 0 {
			t.Errorf("%s of all is %v ± %v, want exactly %v", id, exact.Value, exact.Today(validity.Holding()), value)
		}
		plain, shown := 0, 0
		for _, at := range samples {
			e := estimate(t, q, taken(vectors, at), customers, bounded)
			off := math.Abs(e.Value - exact.Value)
			if off <= 1.96*e.SD/math.Sqrt(validity.Effective(sample, customers)) {
				plain++
			}
			if off <= e.Today(validity.Holding()) {
				shown++
			}
		}
		// Of 200 draws .95 come with a standard error of .015. What is shown holds at every size of the sample at once: it is wider.
		if float64(plain)/draws < .89 || plain == draws || float64(shown)/draws < .95 {
			t.Errorf("%s: %d and %d of %d intervals hold the value, seed %d", id, plain, shown, draws, seed)
		}
	}
}

// inOrder returns the customers' places in the priority order that a secret draws.
func inOrder(t *testing.T, draw int, subjects []metric.Subject) []int {
	t.Helper()
	secret := make([]byte, 32)
	binary.BigEndian.PutUint64(secret, uint64(draw))
	key, err := validity.NewKey(secret, "1")
	if err != nil {
		t.Fatal(err)
	}
	at, priority := make([]int, len(subjects)), make([]validity.Priority, len(subjects))
	for i := range at {
		at[i], priority[i] = i, key.Priority(string(subjects[i].Customer))
	}
	slices.SortFunc(at, func(a, b int) int { return cmp.Compare(priority[a], priority[b]) })
	return at
}

// taken returns the vectors of some customers.
func taken(vectors [][]int64, at []int) [][]int64 {
	out := make([][]int64, len(at))
	for i, j := range at {
		out[i] = vectors[j]
	}
	return out
}

func estimate(t *testing.T, q validity.Quotient, vectors [][]int64, of int64, bounded bool) validity.Estimate {
	t.Helper()
	m, err := validity.NewMoments(len(q.Num))
	if err != nil {
		t.Fatal(err)
	}
	for _, z := range vectors {
		if err := m.Add(z); err != nil {
			t.Fatal(err)
		}
	}
	e, _, err := q.Of(m, of, bounded)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// quotientOf returns a program's shape as the statistics have it.
func quotientOf(t *testing.T, p *metric.Program) (validity.Quotient, bool) {
	t.Helper()
	s := p.Shape()
	if s.Form != metric.Quotient {
		t.Fatalf("the form is %s", s.Form)
	}
	weights := func(ws []float64) (out []int64) {
		for _, w := range ws {
			out = append(out, int64(w))
		}
		return out
	}
	return validity.Quotient{Num: weights(s.Num), Den: weights(s.Den), Scale: s.Scale}, s.Bounded
}

// whole is a customer's contribution in whole units; nothing of who is not in scope.
func whole(t *testing.T, p *metric.Program, s *metric.Subject, at metric.Span) []int64 {
	t.Helper()
	z, _, _ := p.Contribution(s, at)
	out := make([]int64, len(z))
	for i, v := range z {
		if out[i] = int64(v); float64(out[i]) != v {
			t.Fatalf("a contribution of %v", v)
		}
	}
	return out
}

func sumOf(t *testing.T, p *metric.Program, vectors [][]int64) float64 {
	t.Helper()
	sums := make([]float64, len(vectors[0]))
	for _, z := range vectors {
		for i, v := range z {
			sums[i] += float64(v)
		}
	}
	v, ok := p.Of(sums)
	if !ok {
		t.Fatal("there is no value")
	}
	return v
}

// simulated draws customers who buy at a rate of their own, and answer now and then.
func simulated(seed uint64, n int) []metric.Subject {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]metric.Subject, n)
	for i := range out {
		s := &out[i]
		s.Customer = identity.Key(fmt.Sprintf("customer-%05d", i))
		rate, spend := .01+.03*r.ExpFloat64(), 1000+4000*r.ExpFloat64()
		for day := r.IntN(300); day < 455; day += 1 + int(r.ExpFloat64()/rate) { // from 1996-01-01 to the end of March 1997
			d := fact.CustomerDay{Customer: s.Customer, Day: contract.Day("1996-01-01").Add(day), Orders: 1 + int64(r.IntN(3))}
			d.Revenue = int64(spend * (1 + r.ExpFloat64()) * float64(d.Orders))
			s.Days = append(s.Days, d)
			if r.IntN(3) == 0 {
				s.Answers = append(s.Answers, metric.SubjectAnswer{Day: d.Day.Add(r.IntN(20)), Score: float64(r.IntN(11))})
			}
		}
	}
	return out
}

// program compiles a shipped metric by month.
func program(t *testing.T, id string) *metric.Program {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "functional", "internal", "metric", "metrics.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var tree []any
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	wire, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var defs []contract.Definition
	if err := json.Unmarshal(wire, &defs); err != nil {
		t.Fatal(err)
	}
	for _, d := range defs {
		if string(d.ID) == id {
			p, why := metric.Compile(&contract.Computation{Metric: d, Grain: contract.GrainMonth}, metric.Calendar{WeekStart: time.Monday})
			if why != nil {
				t.Fatalf("%s: %+v", id, *why)
			}
			return p
		}
	}
	t.Fatalf("%s is not shipped", id)
	return nil
}
