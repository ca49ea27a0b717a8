package mongostore

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// TestRefused: what the server will never take is invalid, so that ingest sets one record aside; anything else is not.
func TestRefused(t *testing.T) {
	t.Parallel()
	bulk := func(code int) error {
		return mongo.BulkWriteException{WriteErrors: []mongo.BulkWriteError{{WriteError: mongo.WriteError{Code: code}}}}
	}
	for name, c := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"a field name with a dollar": {bulk(52), fault.Invalid},
		"a document too large":       {bulk(17419), fault.Invalid},
		"a write conflict":           {mongo.CommandError{Code: 112, Labels: []string{"TransientTransactionError"}}, fault.Transient},
		"a duplicate key":            {bulk(11000), fault.Conflict},
		"an unknown code":            {bulk(99999), fault.Internal},
		"not encodable":              {mongo.MarshalError{Err: errors.New("no")}, fault.Invalid},
		"classified already":         {fault.New(fault.Transient, fault.Unavailable, "later"), fault.Transient},
		"anything else":              {errors.New("boom"), fault.Internal},
	} {
		if got := fault.KindOf(refused(c.err)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if refused(nil) != nil {
		t.Error("no error became one")
	}
}

// TestValuesComeBack: parameters are typed in the database and the same JSON afterwards.
func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	want := map[contract.ParameterName]json.RawMessage{
		"amount": json.RawMessage(`{"currency":"EUR","minor":9007199254740993}`), "count": json.RawMessage(`3`), "list": json.RawMessage(`["a",1.5]`),
		"score": json.RawMessage(`9.5`), "text": json.RawMessage(`"ä"`), "yes": json.RawMessage(`true`), "none": json.RawMessage(`null`),
	}
	d, err := values(want)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := d[1].Value.(int64); !ok || d[1].Key != "count" {
		t.Errorf("the second value is %v, want count as a whole number", d[1])
	}
	got := map[contract.ParameterName]json.RawMessage{}
	for _, e := range d {
		if got[contract.ParameterName(e.Key)], err = toJSON(e.Value); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if _, err := values(map[contract.ParameterName]json.RawMessage{"x": json.RawMessage(`{`)}); !fault.Is(err, fault.Invalid) {
		t.Errorf("broken JSON: %v, want invalid", err)
	}
}
