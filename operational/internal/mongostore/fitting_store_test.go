package mongostore

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

func TestFitsStored(t *testing.T) {
	t.Parallel()
	s := NewFits(tenant, mongotest.Open(t, FittingIndexes()...))
	subject := model.Subject{Model: "mbg_nbd", Scope: &contract.Condition{Field: "orders", Op: contract.Gte, Value: 2.}}
	none, err := s.Line(t.Context(), subject.ID())
	if err != nil || none.Version != 0 || none.Line != nil {
		t.Fatalf("before anything: %+v, %v", none, err)
	}
	turn := model.Turn{AsOf: noon, Now: noon.Add(time.Hour)}
	line, err := model.Line(nil).Add(noon.AddDate(0, 0, -28), map[string]float64{"r": .25}, turn)
	if err != nil {
		t.Fatal(err)
	}
	line, err = line.Try(contract.HoldOut{Weeks: 4, Customers: 900, Actual: 100, Predicted: 90, MAE: .5, Window: &contract.Window{Start: noon, End: noon}}, nil, turn)
	if err != nil {
		t.Fatal(err)
	}
	r := fitting.Record{Subject: subject, Line: line, Claims: []model.Said{{Claim: "in-1", Fit: 1, AsOf: noon}}, Tried: "2026-11-01", Contains: map[int]int64{23: 7}}
	if err := s.PutLine(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.PutLine(t.Context(), r); !fault.Is(err, fault.Conflict) {
		t.Errorf("stored twice as the first: %v", err)
	}
	got, err := s.Line(t.Context(), subject.ID())
	if r.Version = 1; err != nil || cmp.Diff(r, got) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(r, got))
	}
	got.Renewed = "2026-12-01"
	if err := s.PutLine(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if err := s.PutLine(t.Context(), got); !fault.Is(err, fault.Conflict) {
		t.Errorf("stored over a later one: %v", err)
	}
	all, err := s.Lines(t.Context())
	if err != nil || len(all) != 1 || all[0].Version != 2 || all[0].Renewed != "2026-12-01" {
		t.Errorf("all are %+v, %v", all, err)
	}
}
