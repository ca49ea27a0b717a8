package mongodb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func TestFault(t *testing.T) {
	t.Parallel()
	write := func(concern *mongo.WriteConcernError, codes ...int) error {
		e := mongo.BulkWriteException{WriteConcernError: concern}
		for _, c := range codes {
			e.WriteErrors = append(e.WriteErrors, mongo.BulkWriteError{WriteError: mongo.WriteError{Code: c, Message: "dup key: ada@example.com"}})
		}
		return fmt.Errorf("write: %w", e)
	}
	for name, c := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"no document":                {mongo.ErrNoDocuments, fault.NotFound},
		"duplicate":                  {write(nil, 11000), fault.Conflict},
		"duplicates":                 {write(nil, 11000, 11000), fault.Conflict},
		"a failure among duplicates": {write(nil, 11000, 121, 11000), fault.Internal},
		"duplicate, not replicated":  {write(&mongo.WriteConcernError{Code: 64}, 11000), fault.Transient},
		"write conflict":             {mongo.CommandError{Code: 112}, fault.Transient},
		"election":                   {mongo.CommandError{Code: 10107}, fault.Transient},
		"lost connection":            {mongo.CommandError{Labels: []string{"NetworkError"}}, fault.Transient},
		"too large":                  {mongo.CommandError{Code: 10334}, fault.Invalid},
		"bad value":                  {mongo.CommandError{Code: 2, Message: "ada@example.com"}, fault.Internal},
		"deadline":                   {context.DeadlineExceeded, fault.Transient},
		"closed":                     {mongo.ErrClientDisconnected, fault.Transient},
		"classified already":         {fault.New(fault.Denied, fault.PolicyDenied, "no"), fault.Denied},
	} {
		got := mongodb.Fault(c.err)
		if fault.KindOf(got) != c.want || strings.Contains(got.Error(), "ada@") {
			t.Errorf("%s: %v is %v, want %v without values", name, got, fault.KindOf(got), c.want)
		}
	}
	if mongodb.Fault(nil) != nil {
		t.Error("nil became an error")
	}
}
