package oracle_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/simulate"
)

// TestTheOracleFindsTheTruthOfTheShop fits the models to a simulated shop: what comes out is what was put in, within 15 %,
// which is about three standard errors of the dropout parameters at this size. A shop that is not simulated as it says
// (customers who leave after their first purchase, say) misses by a factor of two.
func TestTheOracleFindsTheTruthOfTheShop(t *testing.T) {
	t.Parallel()
	s := simulate.Default(20000, 7)
	t.Log("seed", s.Seed)
	var file bytes.Buffer
	if err := simulate.Write(&file, s.Orders()); err != nil {
		t.Fatal(err)
	}
	orders, err := oracle.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	r, alpha, a, b, p, q, gamma := oracle.Parameters(orders, s.Last)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"r", r, s.Truth.R}, {"alpha", alpha, s.Truth.Alpha}, {"a", a, s.Truth.A}, {"b", b, s.Truth.B},
		{"p", p, s.Truth.P}, {"q", q, s.Truth.Q}, {"gamma", gamma, s.Truth.Gamma},
	} {
		if math.Abs(c.got/c.want-1) > .15 {
			t.Errorf("%s is %.3f, put in was %.3f", c.name, c.got, c.want)
		}
	}
}
