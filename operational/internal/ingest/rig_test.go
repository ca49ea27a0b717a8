package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

const tenant = contract.TenantID("main")

var (
	begin = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	keys  = mustKeys()
)

func mustKeys() *identity.Keys {
	k, err := identity.NewKeys(make([]byte, identity.KeyBytes))
	if err != nil {
		panic(err)
	}
	return k
}

// always is directives that were in force from begin on, for a day.
type always struct{}

func (always) Validity(_ context.Context, ids []contract.DirectiveID) (map[contract.DirectiveID]ingest.Validity, error) {
	out := map[contract.DirectiveID]ingest.Validity{}
	for _, id := range ids {
		out[id] = ingest.Validity{From: begin, Until: begin.Add(24 * time.Hour)}
	}
	return out, nil
}

// stage is ingest over the real stores.
type stage struct {
	db      *mongodb.DB
	fences  *mongostore.Fences
	lake    *mongostore.Lake
	imports *mongostore.Imports
	options ingest.Options
}

func newStage(t testing.TB) *stage {
	t.Helper()
	db := mongotest.Open(t, mongostore.CollectIndexes()...)
	s := &stage{db: db, fences: mongostore.NewFences(db), lake: mongostore.NewLake(db), imports: mongostore.NewImports(db)}
	s.options = ingest.Options{Tenant: tenant, Keys: keys, Tx: db.Tx, Fences: s.fences, Lake: s.lake, Warehouse: mongostore.NewWarehouse(db, "EUR"),
		Quarantine: s.lake, Suppression: s.lake, Directives: always{}, Imports: s.imports, Now: func() time.Time { return begin },
		Logger: slog.New(slog.DiscardHandler)}
	return s
}

// sink returns a new owner of the partitions, assigned to a log whose partitions end at end.
func (s *stage) sink(t testing.TB, o ingest.Options, partitions ...int) *ingest.Sink {
	t.Helper()
	sink, err := ingest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		if _, err := sink.Position(context.Background(), contract.TopicEvents, bus.PartitionState{Partition: p, End: 1 << 30}, "cluster-1"); err != nil {
			t.Fatal(err)
		}
	}
	return sink
}

// order returns an event that states an order of a customer.
func order(id, user string, at time.Time, minor int64) contract.CustomerEvent {
	return contract.CustomerEvent{
		Source: "shop", ID: id, Call: "track", Event: "Order Completed", CustomerKey: string(keys.Customer(identity.User, user)), UserID: user,
		Time: at, ReceivedAt: begin.Add(time.Minute), Content: keys.Content([]byte(fmt.Sprint(id, user, at, minor))), Format: "call",
		Asked: []contract.Asked{{Directive: "od-1", Revision: 1, Purposes: []contract.Purpose{"retention_analysis"}}},
		Parameters: map[contract.ParameterName]json.RawMessage{
			contract.ParamOrderTime:   mustJSON(at),
			contract.ParamCustomerID:  mustJSON(user),
			contract.ParamOrderAmount: mustJSON(contract.Amount{Minor: minor, Currency: "EUR"}),
			contract.ParamOrderItems:  mustJSON(2),
		},
	}
}

func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// message returns the event as a record of the log.
func message(t testing.TB, partition int, offset int64, e contract.CustomerEvent) bus.Message {
	t.Helper()
	m, err := contract.Encode(contract.TopicEvents, e.CustomerKey, contract.Envelope{ID: contract.NewID(), Source: contract.Operational,
		Type: contract.TypeCustomerEvent, Time: e.Time, Tenant: tenant}, &e)
	if err != nil {
		t.Fatal(err)
	}
	m.Partition, m.Offset = partition, offset
	return m
}

func messages(t testing.TB, partition int, first int64, events ...contract.CustomerEvent) []bus.Message {
	t.Helper()
	out := make([]bus.Message, len(events))
	for i, e := range events {
		out[i] = message(t, partition, first+int64(i), e)
	}
	return out
}

func (s *stage) apply(t testing.TB, sink *ingest.Sink, partition int, batch []bus.Message) int64 {
	t.Helper()
	next, err := sink.Apply(context.Background(), contract.TopicEvents, partition, batch)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// balance checks the account of every partition and returns the sum over them.
func (s *stage) balance(t testing.TB) ingest.Balance {
	t.Helper()
	account, err := ingest.NewAccount(ingest.AccountOptions{Tx: s.db.Tx, Fences: s.fences, Lake: s.lake, Every: time.Hour, Now: s.options.Now,
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider()})
	if err != nil {
		t.Fatal(err)
	}
	balances, err := account.Balances(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var sum ingest.Balance
	for _, b := range balances {
		if b.Unaccounted() != 0 {
			t.Errorf("epoch %d partition %d: %d records unaccounted for: %+v", b.Epoch, b.Partition, b.Unaccounted(), b)
		}
		sum.Next += b.Next
		sum.Stored += b.Stored
		sum.Counts.Duplicate += b.Counts.Duplicate
		sum.Counts.Quarantined += b.Counts.Quarantined
		sum.Counts.Suppressed += b.Counts.Suppressed
		sum.Counts.NotInForce += b.Counts.NotInForce
		sum.Counts.Lost += b.Counts.Lost
		sum.Holes = append(sum.Holes, b.Holes...)
	}
	return sum
}

// warehouse returns the warehouse's documents, byte for byte, in the order of their ids; without the places in the log at
// which they last changed, which are about the arrival.
func (s *stage) warehouse(t testing.TB) string {
	t.Helper()
	out := ""
	for _, name := range []string{"profiles", "identities", "facts", "customer_days"} {
		cursor, err := s.db.Collection(name).Find(context.Background(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).
			SetProjection(bson.D{{Key: "partition", Value: 0}, {Key: "position", Value: 0}}))
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.Raw
		if err := cursor.All(context.Background(), &docs); err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			out += name + " " + d.String() + "\n"
		}
	}
	return out
}

func (s *stage) count(t testing.TB, collection string) int64 {
	t.Helper()
	n, err := s.db.Collection(collection).CountDocuments(context.Background(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// failing is a lake that fails, so often as told, with an error.
type failing struct {
	ingest.Lake
	fail func(events []lake.Event) error
}

func (f failing) Keep(ctx context.Context, events []lake.Event) ([]lake.Kept, error) {
	if err := f.fail(events); err != nil {
		return nil, err
	}
	return f.Lake.Keep(ctx, events)
}

var errBoom = errors.New("boom")

type jsonValue = json.RawMessage
