package mongostore

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/shared/contract"
)

// TestKnown: of a person's identities the latest value counts, of what was asked for and said in time.
func TestKnown(t *testing.T) {
	t.Parallel()
	at := func(second int64) time.Time { return time.Unix(second, 0).UTC() }
	said := func(v any, second int64, p ...contract.Purpose) originDoc {
		return originDoc{Value: v, At: at(second), Purposes: p}
	}
	guest, user, other := profileOf("guest", nil), profileOf("user", nil), profileOf("other", nil)
	guest.Values = bson.D{{Key: "plan", Value: said("monthly", 5, "retention_analysis")}, {Key: "months", Value: said(int64(3), 5)}}
	user.Values = bson.D{{Key: "plan", Value: said("yearly", 4)}, {Key: "months", Value: said(4.5, 9)}, {Key: "email", Value: said("a@example.org", 1)}}
	other.Values = bson.D{{Key: "months", Value: said(int64(7), 20)}, {Key: "churned", Value: said(true, 2)}}
	db := warehouse(t, nil, []profileDoc{guest, user, other}, nil)
	insert(t, db, linksCollection, []linkDoc{{ID: id(tenant, "guest", "user"), V: version, Tenant: tenant, A: "guest", B: "user", At: at(1)}})
	got, err := NewMetrics(tenant, db).Known(t.Context(), []contract.ParameterName{"plan", "months", "churned"}, at(10))
	if err != nil {
		t.Fatal(err)
	}
	want := []prediction.Known{
		{Customer: "guest", Values: map[contract.ParameterName]prediction.Stated{
			"plan": {Value: "monthly", At: at(5), Purposes: []contract.Purpose{"retention_analysis"}}, "months": {Value: 4.5, At: at(9)},
		}},
		{Customer: "other", Values: map[contract.ParameterName]prediction.Stated{"churned": {Value: true, At: at(2)}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
