package prediction_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// profiles is what is known, in memory.
type profiles []prediction.Known

func (p profiles) Known(_ context.Context, names []contract.ParameterName, before time.Time) ([]prediction.Known, error) {
	var out []prediction.Known
	for _, k := range p {
		c := prediction.Known{Customer: k.Customer, Values: map[contract.ParameterName]prediction.Stated{}}
		for name, v := range k.Values {
			if slices.Contains(names, name) && v.At.Before(before) {
				c.Values[name] = v
			}
		}
		out = append(out, c)
	}
	return out, nil
}

const why contract.Purpose = "retention_analysis"

func asks(name contract.ParameterName, d contract.DataType, v contract.ValueType) contract.Parameter {
	return contract.Parameter{Name: name, DataType: d, Value: v, Purpose: why}
}

// collected is what a directive asks for; only plan and months may tell who leaves.
var collected = []contract.Parameter{
	asks("churned", contract.Descriptive, contract.Boolean), asks("plan", contract.Descriptive, contract.Text), asks("months", contract.Descriptive, contract.Integer),
	asks("full_name", contract.Descriptive, contract.Text), asks("customer_number", contract.Identification, contract.Integer),
	asks("order_amount", contract.Transactional, contract.AmountOf), asks("seen_at", contract.Descriptive, contract.Timestamp),
	{Name: "mood", DataType: contract.Probe, Value: contract.Score, Purpose: "advertising"},
	asks("farewell", contract.Probe, contract.Score),
}

// subscribers leave at 40 % on the monthly plan and 5 % on the yearly one, less the longer they have been there. Of one in ten it is not known.
// Those who left were asked afterwards how they felt.
func subscribers(n int, seed uint64) profiles {
	rng := rand.New(rand.NewPCG(seed, 2))
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var all profiles
	for i := range n {
		k := prediction.Known{Customer: fmt.Sprintf("%05d", i), Values: map[contract.ParameterName]prediction.Stated{}}
		say := func(name contract.ParameterName, v any, later int, purposes ...contract.Purpose) {
			if purposes == nil {
				purposes = []contract.Purpose{why}
			}
			k.Values[name] = prediction.Stated{Value: v, At: day.AddDate(0, 0, later), Purposes: purposes}
		}
		months, plan, rate := int64(rng.IntN(60)), "yearly", .05
		if rng.Float64() < .5 {
			plan, rate = "monthly", .4
		}
		left := rng.Float64() < rate*(1.4-float64(months)/75)
		say("plan", plan, 0)
		say("months", months, 0)
		say("full_name", fmt.Sprint("name ", i), 0)
		say("mood", float64(rng.IntN(10)), 0, "advertising")
		if rng.IntN(10) > 0 {
			say("churned", left, 1)
		}
		if left {
			say("farewell", 1.0, 2) // known only of those who left
		} else {
			say("farewell", 9.0, 2)
		}
		all = append(all, k)
	}
	return all
}

func TestChurnByAttributes(t *testing.T) {
	t.Parallel()
	const seed, n = 7, 3000
	ask := prediction.Request{Kind: prediction.ChurnAttributes, AsOf: "2026-03-31", Label: "churned", Purpose: why}
	s := knowing(t, kept{}, subscribers(n, seed), collected)
	set, err := s.Make(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	sum := set.Summary
	if sum.N != n || len(set.Rows) != n || sum.Model.N >= n || sum.Model.N < n*8/10 || sum.Model.HoldOut.Customers == 0 || len(sum.Groups) != 3 {
		t.Errorf("seed %d: %+v", seed, sum)
	}
	if auc := sum.Model.HoldOut.Measures["auc"]; auc < .7 || auc > .9 { // farewell, said after leaving, would make it 1
		t.Errorf("seed %d: AUC %.3f", seed, auc)
	}
	unknown, monthly := 0, 0.0
	for _, r := range set.Rows {
		if r[1] == nil {
			unknown++
		}
		p := r[2].(float64)
		if reason := r[5].(string); strings.Contains(reason, "full_name") || strings.Contains(reason, "mood") || strings.Contains(reason, "customer_number") || reason == "" {
			t.Fatalf("seed %d: %v", seed, r)
		} else if strings.Contains(reason, "plan monthly") {
			monthly = max(monthly, p)
		}
		if r[3].(float64) > p || r[4].(float64) < p {
			t.Errorf("seed %d: %v", seed, r)
		}
	}
	if unknown == 0 || monthly < .4 {
		t.Errorf("seed %d: %d of whom it is not known, the likeliest on the monthly plan at %.2f", seed, unknown, monthly)
	}
	typed(t, set)
	for name, c := range map[string]struct {
		change func(*prediction.Request)
		params []contract.Parameter
		code   fault.Code
	}{
		"before it was said":    {func(r *prediction.Request) { r.AsOf = "2026-02-01" }, collected, fault.NoSource},
		"for another purpose":   {func(r *prediction.Request) { r.Purpose = "advertising" }, collected, fault.NoSource},
		"a text":                {func(r *prediction.Request) { r.Label = "plan" }, collected, fault.WrongType},
		"nothing beside it":     {func(*prediction.Request) {}, collected[:1], fault.NoSource},
		"names and no more":     {func(*prediction.Request) {}, []contract.Parameter{collected[0], collected[3]}, fault.NoSource},
		"label said to be none": {func(r *prediction.Request) { r.Label = "gone" }, collected, fault.NoSource},
	} {
		r := ask
		c.change(&r)
		if _, err := knowing(t, kept{}, subscribers(n, seed), c.params).Make(t.Context(), r); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := knowing(t, kept{}, subscribers(50, seed), collected).Make(t.Context(), ask); fault.CodeOf(err) != fault.ModelNotIdentified {
		t.Errorf("too few: %v", err)
	}
	if math.IsNaN(*sum.Mean) {
		t.Error("no mean")
	}
}
