package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/expiry"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const (
	expiryCollection  = "expiry"       // the state
	expiredCollection = "expired_days" // of which days facts have expired, a document for each kind of fact and month
)

// Expiry implements expiry.Store.
type Expiry struct {
	tenant    contract.TenantID
	db        *mongodb.DB
	now       func() time.Time
	warehouse *Warehouse
	erasures  *Erasures // for what deleting somebody's last event has in common with erasing them
	state     *mongo.Collection
}

// NewExpiry returns the store of the database. now is the wall clock.
func NewExpiry(t contract.TenantID, db *mongodb.DB, keys *identity.Keys, currency string, now func() time.Time) *Expiry {
	return &Expiry{tenant: t, db: db, now: now, warehouse: NewWarehouse(db, currency), erasures: NewErasures(db, keys, now), state: db.Collection(expiryCollection)}
}

var _ expiry.Store = (*Expiry)(nil)

// expiryDoc is the state of a tenant. steps counts the transactions that deleted something: caches are made anew after.
type expiryDoc struct {
	ID       string            `bson:"_id"` // tenant
	V        int               `bson:"v"`
	Tenant   contract.TenantID `bson:"tenant"`
	Next     time.Time         `bson:"next"` // when a pass may begin
	Finished *time.Time        `bson:"finishedAt,omitempty"`
	Steps    int64             `bson:"steps"`
	Deleted  map[string]int64  `bson:"deleted,omitempty"` // documents, by collection, over all passes
}

// Claim implements expiry.Store.
func (s *Expiry) Claim(ctx context.Context) (bool, error) {
	now := s.now().UTC()
	first := expiryDoc{ID: string(s.tenant), V: version, Tenant: s.tenant, Next: now}
	if _, err := s.state.UpdateOne(ctx, byID(first.ID), bson.D{{Key: "$setOnInsert", Value: first}}, options.UpdateOne().SetUpsert(true)); err != nil {
		return false, fmt.Errorf("state of expiry: %w", mongodb.Fault(err))
	}
	free := append(byID(first.ID), bson.E{Key: "next", Value: op("$lte", now)})
	res, err := s.state.UpdateOne(ctx, free, set(bson.D{{Key: "next", Value: now.Add(claimTerm)}}))
	if err != nil {
		return false, fmt.Errorf("claim a pass of expiry: %w", mongodb.Fault(err))
	}
	return res.ModifiedCount == 1, nil
}

// Finish implements expiry.Store.
func (s *Expiry) Finish(ctx context.Context, next time.Duration) error {
	now := s.now().UTC().Truncate(time.Millisecond)
	_, err := s.state.UpdateOne(ctx, byID(string(s.tenant)), set(bson.D{{Key: "next", Value: now.Add(next)}, {Key: "finishedAt", Value: now}}))
	return mongodb.Fault(err)
}

func (s *Expiry) read(ctx context.Context) (d expiryDoc, err error) {
	err = s.state.FindOne(ctx, byID(string(s.tenant))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return d, nil
	}
	return d, mongodb.Fault(err)
}

// Finished implements expiry.Store.
func (s *Expiry) Finished(ctx context.Context) (time.Time, error) {
	d, err := s.read(ctx)
	if err != nil || d.Finished == nil {
		return time.Time{}, err
	}
	return d.Finished.UTC(), nil
}

// Steps returns how often something was deleted.
func (s *Expiry) Steps(ctx context.Context) (int64, error) {
	d, err := s.read(ctx)
	return d.Steps, err
}

// deleted counts what the transaction deletes, and prolongs the claim.
func (s *Expiry) deleted(ctx context.Context, counts map[string]int64) error {
	by := bson.D{{Key: "steps", Value: int64(1)}}
	for _, collection := range sorted(counts) {
		by = append(by, bson.E{Key: "deleted." + collection, Value: counts[collection]})
	}
	_, err := s.state.UpdateOne(ctx, byID(string(s.tenant)), bson.D{{Key: "$inc", Value: by}, {Key: "$set", Value: op("next", s.now().UTC().Add(claimTerm))}})
	return mongodb.Fault(err)
}

// oldDoc is what is read of something that may have expired.
type oldDoc struct {
	ID         string         `bson:"_id"`
	Customer   identity.Key   `bson:"customer"`
	Epoch      int64          `bson:"epoch"`
	Partition  int            `bson:"partition"`
	ReceivedAt time.Time      `bson:"receivedAt"`
	Parameters map[string]any `bson:"parameters"`
	At         time.Time      `bson:"at"` // of what was set aside: when
	Event      *struct {
		Parameters map[string]any `bson:"parameters"`
	} `bson:"event"`
}

// oldFields are read of it: of an event that was set aside, its parameters; in the lake "event" is an id.
var oldFields = bson.D{{Key: "customer", Value: 1}, {Key: "epoch", Value: 1}, {Key: "partition", Value: 1}, {Key: "receivedAt", Value: 1},
	{Key: "parameters", Value: 1}, {Key: "at", Value: 1}, {Key: "event.parameters", Value: 1}}

func namesOf(parameters map[string]any) []contract.ParameterName {
	names := make([]contract.ParameterName, 0, len(parameters))
	for n := range parameters {
		names = append(names, contract.ParameterName(n))
	}
	return names
}

const (
	expiredAtOnce = 100   // how many events one transaction deletes: with each goes what came of it
	lookedAtOnce  = 5_000 // how many documents are looked at before the claim is prolonged
)

// Expire implements expiry.Store. Documents are looked at by their ids, page by page: a pass reads each once, and what cannot be
// deleted now, because it is too much at once or somebody else is at it, holds up nothing that lies behind it.
func (s *Expiry) Expire(ctx context.Context, l expiry.Limits, now time.Time) (map[string]int64, error) {
	total, before := map[string]int64{}, l.Before(now)
	aside := func(d *oldDoc) bool {
		var names []contract.ParameterName
		if d.Event != nil {
			names = namesOf(d.Event.Parameters)
		}
		return !d.At.After(before) && l.Due(names, d.At, now)
	}
	event := func(d *oldDoc) bool {
		return !d.ReceivedAt.After(before) && l.Due(namesOf(d.Parameters), d.ReceivedAt, now)
	}
	err := errors.Join(s.pages(ctx, quarantineCollection, aside, s.deleteAside, total), s.pages(ctx, lakeCollection, event, s.deleteEvents, total))
	return total, err
}

// pages looks through a collection and deletes what is due. The errors of what could not be deleted are joined.
func (s *Expiry) pages(ctx context.Context, collection string, due func(*oldDoc) bool, del func(context.Context, []oldDoc) (map[string]int64, error), total map[string]int64) error {
	var failed error
	for after := id(s.tenant, ""); ; {
		var page, old []oldDoc
		filter := bson.D{{Key: "tenant", Value: s.tenant}, {Key: "_id", Value: op("$gt", after)}}
		if err := all(ctx, s.db.Collection(collection), filter, &page, options.Find().SetSort(byID1).SetLimit(lookedAtOnce).SetProjection(oldFields)); err != nil {
			return errors.Join(failed, fmt.Errorf("expire what is in %s: %w", collection, err))
		}
		for i := range page {
			if due(&page[i]) {
				old = append(old, page[i])
			}
		}
		for some := range slices.Chunk(old, expiredAtOnce) {
			counts, err := del(ctx, some)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("expire %d documents of %s: %w", len(some), collection, err))
			}
			for of, n := range counts {
				total[of] += n
			}
		}
		if len(page) < lookedAtOnce || ctx.Err() != nil {
			return errors.Join(failed, ctx.Err())
		}
		after = page[len(page)-1].ID
		if err := s.prolong(ctx); err != nil {
			return errors.Join(failed, err)
		}
	}
}

// prolong keeps others from the pass for another while.
func (s *Expiry) prolong(ctx context.Context) error {
	_, err := s.state.UpdateOne(ctx, byID(string(s.tenant)), set(bson.D{{Key: "next", Value: s.now().UTC().Add(claimTerm)}}))
	return mongodb.Fault(err)
}

// deleteAside deletes what was set aside. It is in no account but the count of what was set aside.
func (s *Expiry) deleteAside(ctx context.Context, docs []oldDoc) (counts map[string]int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		counts = map[string]int64{}
		if err := s.take(ctx, quarantineCollection, docs, counts); err != nil {
			return err
		}
		return s.deleted(ctx, counts)
	})
	return onlyDone(counts, err)
}

// onlyDone are the counts of a transaction that came about.
func onlyDone(counts map[string]int64, err error) (map[string]int64, error) {
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// take deletes documents and counts them: that one is gone already means that somebody else is at it.
func (s *Expiry) take(ctx context.Context, collection string, docs []oldDoc, counts map[string]int64) error {
	ids := make([]string, len(docs))
	for i := range docs {
		ids[i] = docs[i].ID
	}
	res, err := s.db.Collection(collection).DeleteMany(ctx, in("_id", ids))
	if err != nil {
		return mongodb.Fault(err)
	}
	if res.DeletedCount != int64(len(docs)) {
		return fault.New(fault.Transient, fault.Unavailable, "%d of %d documents are gone already", int64(len(docs))-res.DeletedCount, len(docs))
	}
	counts[collection] += res.DeletedCount
	return nil
}

// deleteEvents deletes events and whatever came of them, in one transaction.
func (s *Expiry) deleteEvents(ctx context.Context, docs []oldDoc) (counts map[string]int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		counts = map[string]int64{}
		if err := s.withdrawn(ctx, docs); err != nil {
			return err
		}
		if err := s.take(ctx, lakeCollection, docs, counts); err != nil {
			return err
		}
		if err := s.facts(ctx, docs, counts); err != nil {
			return err
		}
		if err := s.customers(ctx, docs, counts); err != nil {
			return err
		}
		return s.deleted(ctx, counts)
	})
	return onlyDone(counts, err)
}

// withdrawn counts events as removed at their partitions. It changes the fences of every epoch of these partitions: a batch of
// ingest that read the customers before conflicts with that and begins anew, so that nothing is written as if they were known.
func (s *Expiry) withdrawn(ctx context.Context, docs []oldDoc) error {
	found, parts := make([]found, len(docs)), map[int]bool{}
	for i, d := range docs {
		found[i].Epoch, found[i].Partition = d.Epoch, d.Partition
		parts[d.Partition] = true
	}
	if err := withdraw(ctx, s.erasures.fences, found); err != nil {
		return err
	}
	_, err := s.erasures.fences.fences.UpdateMany(ctx, bson.D{{Key: "partition", Value: op("$in", sorted(parts))}}, op("$inc", op("expiries", int64(1))))
	return mongodb.Fault(err)
}

// facts deletes the facts of events and makes the rows of their days anew. The days are noted and not touched: a window that
// lost some of its facts is not measured again.
func (s *Expiry) facts(ctx context.Context, docs []oldDoc, counts map[string]int64) error {
	ids := make([]string, len(docs))
	for i := range docs {
		ids[i] = docs[i].ID // a fact has its event's
	}
	var facts []factDoc
	if err := all(ctx, s.db.Collection(factsCollection), in("_id", ids), &facts); err != nil || len(facts) == 0 {
		return err
	}
	if _, err := s.db.Collection(factsCollection).DeleteMany(ctx, in("_id", ids)); err != nil {
		return mongodb.Fault(err)
	}
	counts[factsCollection] += int64(len(facts))
	days, rows := map[fact.Kind]map[contract.Day]bool{}, map[fact.DayKey]bool{}
	for _, f := range facts {
		if days[f.Kind] == nil {
			days[f.Kind] = map[contract.Day]bool{}
		}
		days[f.Kind][f.Day] = true
		if f.Kind == fact.Order {
			rows[fact.DayKey{Customer: f.Customer, Day: f.Day}] = true
		}
	}
	if err := s.note(ctx, days); err != nil {
		return err
	}
	return s.rows(ctx, rows, counts)
}

// rows makes rows anew from the orders that are left, with what is kept beside them.
func (s *Expiry) rows(ctx context.Context, of map[fact.DayKey]bool, counts map[string]int64) error {
	if len(of) == 0 {
		return nil
	}
	keys := make([]fact.DayKey, 0, len(of))
	for k := range of {
		keys = append(keys, k)
	}
	orders, err := s.warehouse.Orders(ctx, s.tenant, keys)
	if err != nil {
		return err
	}
	left, _ := fact.Rows(s.tenant, nil, orders)
	var writes []mongo.WriteModel
	for i := range left {
		row := dayDocOf(s.tenant, &left[i])
		writes = append(writes, replacement(row.ID, row))
		delete(of, fact.DayKey{Customer: left[i].Customer, Day: left[i].Day})
	}
	for k := range of {
		writes = append(writes, mongo.NewDeleteOneModel().SetFilter(byID(id(s.tenant, k.ID()))))
	}
	if _, err := s.warehouse.rows.BulkWrite(ctx, writes, unordered()); err != nil {
		return fmt.Errorf("customer-day rows: %w", mongodb.Fault(err))
	}
	counts[rowsCollection] += int64(len(of))
	return newKept(s.tenant, s.db).again(ctx, keys)
}

// note keeps of which days facts have expired.
func (s *Expiry) note(ctx context.Context, days map[fact.Kind]map[contract.Day]bool) error {
	var writes []mongo.WriteModel
	for _, kind := range sorted(days) {
		months := map[string]bson.D{}
		for _, d := range sorted(days[kind]) {
			months[monthOf(d)] = append(months[monthOf(d)], bson.E{Key: "days." + string(d[8:]), Value: true})
		}
		for _, month := range sorted(months) {
			writes = append(writes, mongo.NewUpdateOneModel().SetUpsert(true).SetFilter(byID(id(s.tenant, string(kind), month))).SetUpdate(bson.D{
				{Key: "$set", Value: months[month]},
				{Key: "$setOnInsert", Value: bson.D{{Key: "v", Value: version}, {Key: "tenant", Value: s.tenant}, {Key: "kind", Value: kind}, {Key: "month", Value: month}}},
			}))
		}
	}
	_, err := s.db.Collection(expiredCollection).BulkWrite(ctx, writes, unordered())
	return mongodb.Fault(err)
}

// Days returns of which days facts have expired.
func (s *Expiry) Days(ctx context.Context) (e metric.Expired, err error) {
	var docs []struct {
		Kind  fact.Kind       `bson:"kind"`
		Month string          `bson:"month"`
		Days  map[string]bool `bson:"days"`
	}
	if err := all(ctx, s.db.Collection(expiredCollection), bson.D{{Key: "_id", Value: between(id(s.tenant, ""), id(s.tenant, "~"))}}, &docs,
		options.Find().SetSort(byID1)); err != nil {
		return e, fmt.Errorf("expired days: %w", err)
	}
	for _, d := range docs { // by month
		days := &e.Orders
		if d.Kind == fact.Answer {
			days = &e.Answers
		}
		for _, day := range sorted(d.Days) {
			*days = append(*days, contract.Day(d.Month+"-"+day))
		}
	}
	return e, nil
}
