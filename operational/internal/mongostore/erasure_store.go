package mongostore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Erasures implements erasure.Requests, erasure.Store, erasure.Waiting and erasure.Disclosure.
type Erasures struct {
	db                         *mongodb.DB
	now                        func() time.Time
	keys                       *identity.Keys
	fences                     *Fences
	erasures, suppressed, link *mongo.Collection
}

// NewErasures returns the store of the database. keys are those that customers are known by, now is the wall clock.
func NewErasures(db *mongodb.DB, keys *identity.Keys, now func() time.Time) *Erasures {
	return &Erasures{db: db, now: now, keys: keys, fences: NewFences(db), erasures: db.Collection(erasuresCollection),
		suppressed: db.Collection(suppressedCollection), link: db.Collection(linksCollection)}
}

var (
	_ erasure.Requests   = (*Erasures)(nil)
	_ erasure.Store      = (*Erasures)(nil)
	_ erasure.Waiting    = (*Erasures)(nil)
	_ erasure.Disclosure = (*Erasures)(nil)
)

// suppressedDoc is a customer of whom nothing is stored any more. It stays for good: a log may be replayed and a file
// imported again at any time. gone is the position of links at which their profile was deleted.
type suppressedDoc struct {
	ID       string            `bson:"_id"` // tenant|customer key
	V        int               `bson:"v"`
	Tenant   contract.TenantID `bson:"tenant"`
	Customer identity.Key      `bson:"customer"`
	At       time.Time         `bson:"at"`
	Erasure  string            `bson:"erasure"`
	Gone     int64             `bson:"gone,omitempty"`
}

// erasureDoc is an erasure. keys, open and until are there only until it is finished.
type erasureDoc struct {
	ID          string            `bson:"_id"` // tenant|erasure
	V           int               `bson:"v"`
	Tenant      contract.TenantID `bson:"tenant"`
	Erasure     string            `bson:"erasure"`
	By          string            `bson:"by"`
	RequestedAt time.Time         `bson:"requestedAt"`
	FinishedAt  *time.Time        `bson:"finishedAt,omitempty"`
	Open        bool              `bson:"open,omitempty"`
	Until       time.Time         `bson:"until,omitempty"` // until when a worker has it to itself
	Keys        []identity.Key    `bson:"keys,omitempty"`
	Identities  int               `bson:"identities"`
	Deleted     map[string]int64  `bson:"deleted,omitempty"`
}

func (d *erasureDoc) erasure() erasure.Erasure {
	e := erasure.Erasure{Tenant: d.Tenant, ID: d.Erasure, By: d.By, RequestedAt: d.RequestedAt.UTC(), Identities: d.Identities, Deleted: maps.Clone(d.Deleted)}
	if d.FinishedAt != nil {
		at := d.FinishedAt.UTC()
		e.FinishedAt = &at
	}
	return e
}

// Begin implements erasure.Requests.
func (s *Erasures) Begin(ctx context.Context, e erasure.Erasure, customer identity.Key) (begun erasure.Erasure, err error) {
	for range 3 { // of two who ask for the same at once, the later finds the earlier's
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			begun, err = s.begin(ctx, e, customer)
			return err
		})
		if !fault.Is(err, fault.Conflict) {
			break
		}
	}
	if err != nil {
		return erasure.Erasure{}, fmt.Errorf("begin an erasure: %w", err)
	}
	return begun, nil
}

func (s *Erasures) begin(ctx context.Context, e erasure.Erasure, customer identity.Key) (erasure.Erasure, error) {
	var listed suppressedDoc
	err := mongodb.Fault(s.suppressed.FindOne(ctx, byID(id(e.Tenant, string(customer)))).Decode(&listed))
	if err == nil && listed.Erasure != "" {
		return s.Get(ctx, e.Tenant, listed.Erasure)
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return e, err
	}
	d := erasureDoc{ID: id(e.Tenant, e.ID), V: version, Tenant: e.Tenant, Erasure: e.ID, By: e.By, RequestedAt: e.RequestedAt, Open: true,
		Until: e.RequestedAt, Keys: []identity.Key{customer}, Identities: 1}
	if _, err := s.erasures.InsertOne(ctx, d); err != nil {
		return e, mongodb.Fault(err)
	}
	return d.erasure(), s.suppress(ctx, e, customer)
}

// suppress puts customers on the list, unless they are there.
func (s *Erasures) suppress(ctx context.Context, e erasure.Erasure, customers ...identity.Key) error {
	writes := make([]mongo.WriteModel, len(customers))
	for i, c := range customers {
		d := suppressedDoc{ID: id(e.Tenant, string(c)), V: version, Tenant: e.Tenant, Customer: c, At: e.RequestedAt, Erasure: e.ID}
		writes[i] = mongo.NewUpdateOneModel().SetFilter(byID(d.ID)).SetUpdate(bson.D{{Key: "$setOnInsert", Value: d}}).SetUpsert(true)
	}
	if _, err := s.suppressed.BulkWrite(ctx, writes); err != nil {
		return fmt.Errorf("suppression list: %w", mongodb.Fault(err))
	}
	return nil
}

// Get implements erasure.Requests.
func (s *Erasures) Get(ctx context.Context, t contract.TenantID, erasureID string) (erasure.Erasure, error) {
	var d erasureDoc
	err := s.erasures.FindOne(ctx, byID(id(t, erasureID))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return erasure.Erasure{}, fault.New(fault.NotFound, "", "there is no erasure %s", erasureID)
	}
	return d.erasure(), mongodb.Fault(err)
}

// List implements erasure.Requests. Ids grow with time.
func (s *Erasures) List(ctx context.Context, t contract.TenantID, before string, limit int) ([]erasure.Erasure, error) {
	until := id(t, "~")
	if before != "" {
		until = id(t, before)
	}
	var docs []erasureDoc
	if err := all(ctx, s.erasures, bson.D{{Key: "_id", Value: between(id(t, ""), until)}}, &docs,
		options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(limit))); err != nil {
		return nil, fmt.Errorf("erasures: %w", err)
	}
	out := make([]erasure.Erasure, len(docs))
	for i := range docs {
		out[i] = docs[i].erasure()
	}
	return out, nil
}

// Oldest implements erasure.Waiting.
func (s *Erasures) Oldest(ctx context.Context, t contract.TenantID) (at time.Time, waits bool, err error) {
	var d erasureDoc
	err = s.erasures.FindOne(ctx, bson.D{{Key: "open", Value: true}, {Key: "tenant", Value: t}},
		options.FindOne().SetSort(bson.D{{Key: "requestedAt", Value: 1}})).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("the oldest erasure: %w", mongodb.Fault(err))
	}
	return d.RequestedAt.UTC(), true, nil
}

// claimTerm is how long a worker that does nothing keeps others from an erasure.
const claimTerm = time.Minute

// Claim implements erasure.Store.
func (s *Erasures) Claim(ctx context.Context, t contract.TenantID) (erasure.Task, bool, error) {
	now := s.now().UTC()
	free := bson.D{{Key: "open", Value: true}, {Key: "tenant", Value: t}, {Key: "until", Value: op("$lte", now)}}
	var d erasureDoc
	err := s.erasures.FindOneAndUpdate(ctx, free, set(bson.D{{Key: "until", Value: now.Add(claimTerm)}})).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return erasure.Task{}, false, nil
	}
	if err != nil {
		return erasure.Task{}, false, fmt.Errorf("claim an erasure: %w", mongodb.Fault(err))
	}
	return erasure.Task{Erasure: d.erasure(), Keys: d.Keys}, true, nil
}

// Gather implements erasure.Store. Links to what is on the list cannot come any more once the batches under way are over; so
// what was found after that is all there is, but for what is linked with what was found last.
func (s *Erasures) Gather(ctx context.Context, task erasure.Task) (erasure.Task, error) {
	for {
		if err := s.outwait(ctx); err != nil {
			return task, err
		}
		more, err := s.connected(ctx, task)
		if err != nil || len(more) == 0 {
			return task, err
		}
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			if err := s.suppress(ctx, task.Erasure, more...); err != nil {
				return err
			}
			_, err := s.erasures.UpdateOne(ctx, byID(id(task.Tenant, task.ID)), bson.D{
				{Key: "$push", Value: op("keys", op("$each", more))}, {Key: "$inc", Value: op("identities", len(more))}})
			return mongodb.Fault(err)
		})
		if err != nil {
			return task, fmt.Errorf("identities of a person: %w", err)
		}
		task.Keys = append(task.Keys, more...)
	}
}

// outwait makes every batch of ingest that is under way either end before it returns or begin anew, by changing the fence that
// each changes, too.
func (s *Erasures) outwait(ctx context.Context) error {
	fences, err := s.fences.All(ctx)
	if err != nil {
		return err
	}
	for _, f := range fences {
		err := s.db.Tx(ctx, func(ctx context.Context) error {
			_, err := s.fences.fences.UpdateOne(ctx, byID(fenceID(f.Epoch, f.Partition)), op("$inc", op("erasures", int64(1))))
			return mongodb.Fault(err)
		})
		if err != nil {
			return fmt.Errorf("wait for ingest of partition %d: %w", f.Partition, err)
		}
	}
	return nil
}

// connected returns the identities that links connect with the task's, over any number of links, and that are not of it.
func (s *Erasures) connected(ctx context.Context, task erasure.Task) ([]identity.Key, error) {
	known := map[identity.Key]bool{}
	for _, k := range task.Keys {
		known[k] = true
	}
	var found []identity.Key
	for edge := task.Keys; len(edge) > 0; {
		var next []identity.Key
		for some := range slices.Chunk(edge, someKeys) {
			for _, end := range []string{"a", "b"} {
				var links []linkDoc
				if err := all(ctx, s.link, bson.D{{Key: "tenant", Value: task.Tenant}, {Key: end, Value: op("$in", some)}}, &links); err != nil {
					return nil, fmt.Errorf("links of a person: %w", err)
				}
				for _, l := range links {
					for _, k := range []identity.Key{l.A, l.B} {
						if !known[k] {
							known[k] = true
							next = append(next, k)
						}
					}
				}
			}
		}
		found, edge = append(found, next...), next
	}
	return found, nil
}

// Finish implements erasure.Store.
func (s *Erasures) Finish(ctx context.Context, task erasure.Task) error {
	for _, r := range rooms {
		left, err := r.left(ctx, s, task)
		if err != nil {
			return err
		}
		if left {
			return fault.New(fault.Transient, fault.Unavailable, "something of the person is left in %s", r.collection)
		}
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	_, err := s.erasures.UpdateOne(ctx, bson.D{{Key: "_id", Value: id(task.Tenant, task.ID)}, {Key: "open", Value: true}}, bson.D{
		{Key: "$set", Value: op("finishedAt", now)},
		{Key: "$unset", Value: bson.D{{Key: "open", Value: ""}, {Key: "until", Value: ""}, {Key: "keys", Value: ""}}}})
	if err != nil {
		return fmt.Errorf("finish an erasure: %w", mongodb.Fault(err))
	}
	return nil
}

// deleted counts documents that the transaction deletes, and prolongs the worker's claim.
func (s *Erasures) deleted(ctx context.Context, task erasure.Task, collection string, n int64) error {
	_, err := s.erasures.UpdateOne(ctx, byID(id(task.Tenant, task.ID)), bson.D{
		{Key: "$inc", Value: op("deleted."+collection, n)}, {Key: "$set", Value: op("until", s.now().UTC().Add(claimTerm))}})
	return mongodb.Fault(err)
}
