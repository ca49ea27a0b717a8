package mongostore

import (
	"encoding/json"
	"maps"
	"slices"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// subjects are the oracle's customers, each by themselves.
func (o oracle) subjects(t *rapid.T) []metric.Subject {
	days, answers, known := map[string][]fact.CustomerDay{}, map[string][]metric.SubjectAnswer{}, map[string]bool{}
	for _, d := range o.days {
		c := string(d.Customer)
		days[c], known[c] = append(days[c], fact.CustomerDay{Customer: d.Customer, Day: d.Day, Orders: d.Orders, Revenue: d.Revenue, Units: d.Units, ZeroOrders: d.Zero}), true
	}
	for _, a := range o.answers {
		c := string(a.Customer)
		answers[c], known[c] = append(answers[c], metric.SubjectAnswer{Day: a.Day, Score: *a.Score}), true
	}
	for c := range o.profiles {
		known[c] = true
	}
	var out []metric.Subject
	for _, c := range slices.Sorted(maps.Keys(known)) {
		out = append(out, metric.Merge(identity.Key(c), days[c], answers[c], jsonProfile(t, o.profiles, c)))
	}
	return out
}

func jsonProfile(t *rapid.T, profiles map[string]row, customer string) map[contract.ParameterName]json.RawMessage {
	p, ok := profiles[customer]
	if !ok {
		return nil
	}
	out := map[contract.ParameterName]json.RawMessage{}
	for name, v := range p {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[contract.ParameterName(name)] = raw
	}
	return out
}

// sumsToTheSame checks that the customers' contributions make the value that the pipeline gives.
func sumsToTheSame(t *rapid.T, p *metric.Program, subjects []metric.Subject, at metric.Span, got metric.Result, exact gocmp.Option) {
	shape := p.Shape()
	sums, parts := make([]float64, shape.Width), map[string][]float64{}
	var n int64
	for i := range subjects {
		z, key, in := p.Contribution(&subjects[i], at)
		if !in {
			continue
		}
		if parts[key] == nil {
			parts[key] = make([]float64, shape.Width)
		}
		for j, v := range z {
			sums[j], parts[key][j] = sums[j]+v, parts[key][j]+v
		}
		if len(z) > 0 && z[len(z)-1] != 0 {
			n++
		}
	}
	if shape.Width == 0 {
		return
	}
	want := metric.Result{N: n}
	if v, ok := p.Of(sums); ok {
		want.Value = &v
	}
	if d := gocmp.Diff(want, metric.Result{Value: got.Value, N: got.N}, exact); d != "" {
		t.Fatalf("over %+v (-contributions +pipeline):\n%s", at, d)
	}
	for _, part := range got.Parts {
		if z, ok := parts[part.Key]; ok && part.Key != "other" {
			if v, _ := p.Of(z); !gocmp.Equal(v, part.Value, exact) {
				t.Fatalf("part %s is %v, the contributions make %v", part.Key, part.Value, v)
			}
		}
	}
	linearToTheSame(t, shape, sums, got, exact)
}

// linearToTheSame checks that the weights of the shape make the value, too.
func linearToTheSame(t *rapid.T, s metric.Shape, sums []float64, got metric.Result, exact gocmp.Option) {
	dot := func(weights []float64) (v float64) {
		for i, w := range weights {
			v += w * sums[i]
		}
		return v
	}
	if got.Value == nil || s.Form == metric.Smooth {
		return
	}
	v := s.Scale * dot(s.Num)
	if s.Den != nil {
		v /= dot(s.Den)
	}
	if !gocmp.Equal(v, *got.Value, exact) {
		t.Fatalf("the shape %+v of %v makes %v, want %v", s, sums, v, *got.Value)
	}
}
