package prediction_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

// kept is histories in memory.
type kept []purchase.History

func (k kept) Histories(_ context.Context, until contract.Day) ([]purchase.History, error) {
	day, err := prediction.DayOf(until)
	if err != nil {
		return nil, err
	}
	return purchase.AsOf(k, day)
}

func service(t *testing.T, h prediction.Histories) *prediction.Service {
	t.Helper()
	return knowing(t, h, nobody{}, nil)
}

func knowing(t *testing.T, h prediction.Histories, p prediction.Profiles, collected []contract.Parameter) *prediction.Service {
	t.Helper()
	s, err := prediction.New(prediction.Options{
		Histories: h, Models: unasked{}, Profiles: p, Collected: func() []contract.Parameter { return collected }, Zone: time.UTC, Currency: "USD", Minor: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unasked is the fits of models that no directive asks for.
type unasked struct{}

func (unasked) Line(context.Context, model.Subject) (model.Line, error) { return nil, nil }

type nobody struct{}

func (nobody) Known(context.Context, []contract.ParameterName, time.Time) ([]prediction.Known, error) {
	return nil, nil
}

func TestCDNOWAsOfItsLastDay(t *testing.T) {
	t.Parallel()
	s := service(t, kept(datatest.CDNOW(t)))
	for _, c := range []struct {
		kind      prediction.Kind
		mean, off float64
		groups    int
		held      int
	}{
		{prediction.Value, 3511, 5, 2, 23_570},     // reference-values.md, CDNOW month by month: $35.11
		{prediction.Alive, .414, .0005, 3, 23_570}, // reference-values.md: 41.4 %
		{prediction.Churn, .586, .0005, 2, 23_570}, // the rest
		{prediction.RFM, 250_031_563. / 23_570, .01, 11, 0},
		{prediction.NextPurchase, .1986, .0005, 3, 23_570},           // within half a year
		{prediction.Segments, 250_031_563. / 23_570, .01, 4, 11_785}, // the other half
	} {
		set, err := s.Make(t.Context(), prediction.Request{Kind: c.kind, AsOf: "1998-06-30"})
		if err != nil {
			t.Fatal(err)
		}
		sum := set.Summary
		if sum.N != 23_570 || len(set.Rows) != 23_570 || math.Abs(*sum.Mean-c.mean) > c.off || len(sum.Groups) != c.groups {
			t.Errorf("%s: n %d, %d rows, mean %g, want %g; groups %+v", c.kind, sum.N, len(set.Rows), *sum.Mean, c.mean, sum.Groups)
		}
		if sum.Model.Version == "" || sum.Model.N != 23_570 || sum.Model.HoldOut.Customers != c.held {
			t.Errorf("%s: the model is %+v", c.kind, sum.Model)
		}
		var customers int64
		var mean float64
		for _, g := range sum.Groups {
			customers += *g.Customers
			if g.Mean != nil {
				mean += *g.Mean * *g.Share
			}
		}
		if customers != sum.N || math.Abs(mean-*sum.Mean) > 1e-9*math.Abs(*sum.Mean) {
			t.Errorf("%s: the groups hold %d customers and a mean of %g", c.kind, customers, mean)
		}
		typed(t, set)
	}
}

// typed checks that every value is of its column's type.
func typed(t *testing.T, s prediction.Set) {
	t.Helper()
	rows := func(yield func([]any, error) bool) {
		for _, r := range s.Rows {
			if !yield(r, nil) {
				return
			}
		}
	}
	if err := export.Write(discard{}, export.CSV, export.Table{Title: string(s.Summary.Kind), Columns: s.Columns}, rows); err != nil {
		t.Error(err)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestAGroupOfFewIsNotTold(t *testing.T) {
	t.Parallel()
	var all kept // 40 who never came back, 5 who did for a year
	for i := range 45 {
		h := purchase.History{Customer: fmt.Sprintf("%03d", i), Visits: []purchase.Visit{{Day: 0, Minor: 100}}}
		for d := purchase.Day(7); i < 5 && d < 360; d += 7 {
			h.Visits = append(h.Visits, purchase.Visit{Day: d, Minor: 500})
		}
		all = append(all, h)
	}
	set, err := service(t, all).Make(t.Context(), prediction.Request{Kind: prediction.RFM, AsOf: "1970-12-31"})
	if err != nil {
		t.Fatal(err)
	}
	hidden := 0
	for _, g := range set.Summary.Groups {
		if g.Customers == nil {
			hidden++
			continue
		}
		if *g.Customers > 0 && *g.Customers < 10 {
			t.Errorf("%s tells of %d customers", g.Key, *g.Customers)
		}
	}
	if hidden != 2 {
		t.Errorf("%d groups are hidden, want the one of 5 and another, from which it could be worked out: %+v", hidden, set.Summary.Groups)
	}
}

// TestChurnWithoutAModel checks that a company too small for a model of its customers is told by their gaps who has left.
func TestChurnWithoutAModel(t *testing.T) {
	t.Parallel()
	var all kept // 60 who come every week, of whom 20 stopped in autumn, and 20 who came once
	for i := range 80 {
		h := purchase.History{Customer: fmt.Sprintf("%03d", i), Visits: []purchase.Visit{{Day: 0, Minor: 100}}}
		until := purchase.Day(360)
		if i < 20 {
			until = 270
		}
		for d := purchase.Day(7); i < 60 && d < until; d += 7 {
			h.Visits = append(h.Visits, purchase.Visit{Day: d, Minor: 500})
		}
		all = append(all, h)
	}
	set, err := service(t, all).Make(t.Context(), prediction.Request{Kind: prediction.Churn, AsOf: "1970-12-31"})
	if err != nil {
		t.Fatal(err)
	}
	sum := set.Summary
	if sum.Mean != nil || sum.Interval != nil || sum.N != 80 || len(sum.Groups) != 2 || *sum.Groups[0].Customers != 40 || *sum.Groups[1].Customers != 40 || sum.Groups[0].Mean != nil {
		t.Errorf("%+v", sum)
	}
	for _, r := range set.Rows {
		if r[2] != nil || r[5] != "own_gaps" && r[5] != "repeaters_gap" {
			t.Errorf("%v: want no chance, and gaps as the basis", r)
		}
	}
	typed(t, set)
}

func TestWhatCannotBeAsked(t *testing.T) {
	t.Parallel()
	few := kept{{Customer: "a", Visits: []purchase.Visit{{Day: 1, Minor: 1}}}}
	for name, c := range map[string]struct {
		request prediction.Request
		code    fault.Code
	}{
		"kind":            {prediction.Request{Kind: "luck", AsOf: "1970-06-01"}, fault.BadRequest},
		"day":             {prediction.Request{Kind: prediction.RFM, AsOf: "tomorrow"}, fault.BadRequest},
		"no label":        {prediction.Request{Kind: prediction.ChurnAttributes, AsOf: "1970-06-01", Purpose: "retention_analysis"}, fault.BadRequest},
		"not collected":   {prediction.Request{Kind: prediction.ChurnAttributes, AsOf: "1970-06-01", Purpose: "retention_analysis", Label: "churned"}, fault.NoSource},
		"few came back":   {prediction.Request{Kind: prediction.Survival, AsOf: "1970-06-01"}, fault.LowSample},
		"no whole month":  {prediction.Request{Kind: prediction.Cohorts, AsOf: "1970-01-30"}, fault.NoData},
		"too few alike":   {prediction.Request{Kind: prediction.Segments, AsOf: "1970-06-01"}, fault.ModelNotIdentified},
		"horizon":         {prediction.Request{Kind: prediction.Value, AsOf: "1970-06-01", Weeks: 1e6}, fault.BadRequest},
		"nobody":          {prediction.Request{Kind: prediction.Value, AsOf: "1969-06-01"}, fault.NoData},
		"too little":      {prediction.Request{Kind: prediction.Value, AsOf: "1970-06-01"}, fault.ModelNotIdentified},
		"too few to rank": {prediction.Request{Kind: prediction.RFM, AsOf: "1970-06-01"}, fault.LowSample},
	} {
		if _, err := service(t, few).Make(t.Context(), c.request); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := prediction.New(prediction.Options{Histories: few, Currency: "USD", Minor: 100}); err == nil {
		t.Error("a service without profiles")
	}
}
