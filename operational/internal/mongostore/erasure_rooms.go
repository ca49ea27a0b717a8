package mongostore

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// room is a collection in which something of a person is kept. A new one with a customer's key in it belongs into rooms; a
// test fails as long as it is in neither list.
type room struct {
	collection string
	// where selects documents of some identities; several filters may select one document.
	where func(t contract.TenantID, keys []identity.Key) []bson.D
	// is tells which of those that where selects are the identities'; nil: all.
	is func(s *Erasures, d found, keys []identity.Key) bool
	// with is what the transaction that deletes documents does beside; nil: nothing.
	with func(ctx context.Context, s *Erasures, task erasure.Task, docs []found) error
	// without returns what of a document that is about others, too, is to stay; an empty answer, or nil without: nothing.
	without func(d found, keys []identity.Key) bson.D
}

// found is what is read of a document before it is deleted.
type found struct {
	ID        string       `bson:"_id"`
	Customer  identity.Key `bson:"customer"`
	Day       contract.Day `bson:"day"`
	Epoch     int64        `bson:"epoch"`
	Partition int          `bson:"partition"`
	Days      []stirredDay `bson:"days"`
	Event     *eventDoc    `bson:"event"`
	Raw       []byte       `bson:"raw"`
}

// How many identities are looked for, and how many documents deleted, at once.
const (
	someKeys = 100
	someDocs = 500
)

// rooms are emptied in this order: profiles before rows, so that nobody is counted as a customer without a name for long, and
// the rows, which numbers come from, last, with the days that are to be measured again.
var rooms = []room{
	{collection: quarantineCollection, where: ofTenant, is: (*Erasures).names},
	{collection: linksCollection, where: byFields("a", "b"), with: parted},
	{collection: personsCollection, where: byIDs},
	{collection: profilesCollection, where: byIDs, with: gone},
	{collection: stirredCollection, where: byNotes, without: unstirred},
	{collection: lakeCollection, where: byFields("customer"), with: removed},
	{collection: factsCollection, where: byFields("customer"), with: restated},
	{collection: rowsCollection, where: byPrefix, with: unkept},
}

// caches are made from what is in rooms, and are freed of a person in the transaction that deletes it.
var caches = map[string]string{bucketsCollection: "with the rows: unkept"}

// impersonal are the collections that hold nothing of a single customer, or nothing that can be told to be theirs, and why.
var impersonal = map[string]string{
	sourcesCollection: "who sends", watermarksCollection: "up to when", droppedCollection: "names of properties", logCollection: "which log",
	fencesCollection: "counts", touchesCollection: "days", arrivalsCollection: "counts", importsCollection: "files: counts, and why rows were refused, without their values",
	importFilesCollection: "files", importBlocks: "counts of rows", importRows: "numbers of rows", importProgress: "counts of rows",
	expiryCollection: "counts", expiredCollection: "days",
	settingsCollection: "the company's", directivesCollection: "orders", measurementsCollection: "groups", insightsCollection: "groups",
	erasuresCollection: "keyed hashes until an erasure is finished, then counts", suppressedCollection: "keyed hashes of those who were erased",
	keptCollection: "positions", fitsCollection: "parameters of models, errors over all customers", rollupsCollection: "sums of days",
	"strata_outbox": "acknowledgements, measurements and insights: groups", "strata_decisions": "who of the staff was allowed what",
	"strata_aside": "messages of other layers, which know no customers", "strata_once": "marks of this service", "strata_setup": "migrations",
	"strata_idempotency": "keyed hashes of requests and answers without customers, for a day",
}

// Delete implements erasure.Store.
func (s *Erasures) Delete(ctx context.Context, task erasure.Task) error {
	for _, r := range rooms {
		for keys := range slices.Chunk(task.Keys, someKeys) {
			if err := r.empty(ctx, s, task, keys); err != nil {
				return fmt.Errorf("delete a person's %s: %w", r.collection, err)
			}
		}
	}
	return nil
}

// empty deletes what a room holds of some identities.
func (r room) empty(ctx context.Context, s *Erasures, task erasure.Task, keys []identity.Key) error {
	for {
		docs, err := r.find(ctx, s, task.Tenant, keys)
		if err != nil || len(docs) == 0 {
			return err
		}
		for some := range slices.Chunk(docs, someDocs) {
			if err := r.take(ctx, s, task, keys, some); err != nil {
				return err
			}
		}
	}
}

// take deletes some documents of what a room holds of identities. What stays of a document that is about others, too, is made
// of what it is in the transaction: meanwhile they may have been erased as well.
func (r room) take(ctx context.Context, s *Erasures, task erasure.Task, keys []identity.Key, docs []found) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		now := docs
		if r.without != nil {
			var err error
			if now, err = r.again(ctx, s, task.Tenant, keys, docs); err != nil || len(now) == 0 {
				return err
			}
		}
		if r.with != nil {
			if err := r.with(ctx, s, task, now); err != nil {
				return err
			}
		}
		return r.delete(ctx, s, task, keys, now)
	})
}

// again returns those documents that still hold something of the identities, as they are now.
func (r room) again(ctx context.Context, s *Erasures, t contract.TenantID, keys []identity.Key, docs []found) (now []found, err error) {
	ids := make([]string, len(docs))
	for i := range docs {
		ids[i] = docs[i].ID
	}
	for _, filter := range r.where(t, keys) {
		err = each(ctx, s.db.Collection(r.collection), bson.D{{Key: "$and", Value: bson.A{in("_id", ids), filter}}}, options.Find().SetProjection(shown), func(d found) error {
			if !slices.ContainsFunc(now, func(o found) bool { return o.ID == d.ID }) {
				now = append(now, d)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return now, nil
}

// delete deletes documents, or what of them is the person's. It counts what is deleted: another worker that was faster at it
// makes this one begin again.
func (r room) delete(ctx context.Context, s *Erasures, task erasure.Task, keys []identity.Key, docs []found) error {
	writes := make([]mongo.WriteModel, len(docs))
	for i, d := range docs {
		writes[i] = mongo.NewDeleteOneModel().SetFilter(byID(d.ID))
		if r.without == nil {
			continue
		}
		if rest := r.without(d, keys); rest != nil {
			writes[i] = mongo.NewUpdateOneModel().SetFilter(byID(d.ID)).SetUpdate(set(rest))
		}
	}
	res, err := s.db.Collection(r.collection).BulkWrite(ctx, writes)
	if err != nil {
		return mongodb.Fault(err)
	}
	if n := res.DeletedCount + res.MatchedCount; n != int64(len(docs)) {
		return fault.New(fault.Transient, fault.Unavailable, "%d of %d documents are gone already", int64(len(docs))-n, len(docs))
	}
	return s.deleted(ctx, task, r.collection, int64(len(docs)))
}

// left reports whether the room holds anything of the task's identities.
func (r room) left(ctx context.Context, s *Erasures, task erasure.Task) (bool, error) {
	for keys := range slices.Chunk(task.Keys, someKeys) {
		docs, err := r.find(ctx, s, task.Tenant, keys)
		if err != nil || len(docs) > 0 {
			return len(docs) > 0, err
		}
	}
	return false, nil
}

// shown is what is read of documents that are to be deleted.
var shown = bson.D{{Key: "customer", Value: 1}, {Key: "day", Value: 1}, {Key: "epoch", Value: 1}, {Key: "partition", Value: 1}, {Key: "days", Value: 1},
	{Key: "event.customer", Value: 1}, {Key: "event.userId", Value: 1}, {Key: "event.anonymousId", Value: 1}, {Key: "event.previousId", Value: 1}, {Key: "raw", Value: 1}}

// find returns at least someDocs documents of the identities, or as many as there are.
func (r room) find(ctx context.Context, s *Erasures, t contract.TenantID, keys []identity.Key) (out []found, err error) {
	seen := map[string]bool{}
	for _, filter := range r.where(t, keys) {
		if len(out) >= someDocs {
			break
		}
		o := options.Find().SetProjection(shown)
		if r.is == nil {
			o.SetLimit(someDocs)
		}
		err := each(ctx, s.db.Collection(r.collection), filter, o, func(d found) error {
			if !seen[d.ID] && (r.is == nil || r.is(s, d, keys)) {
				seen[d.ID] = true
				out = append(out, d)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// each calls f with every document that a filter selects.
func each[D any](ctx context.Context, c *mongo.Collection, filter bson.D, o options.Lister[options.FindOptions], f func(D) error) error {
	cur, err := c.Find(ctx, filter, o)
	if err != nil {
		return mongodb.Fault(err)
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		var d D
		if err := cur.Decode(&d); err != nil {
			return mongodb.Fault(err)
		}
		if err := f(d); err != nil {
			return err
		}
	}
	return mongodb.Fault(cur.Err())
}

// ofTenant selects everything: what could not be read is known by no field.
func ofTenant(t contract.TenantID, _ []identity.Key) []bson.D {
	return []bson.D{{{Key: "tenant", Value: t}}}
}

// byFields selects documents by the identities that fields name.
func byFields(fields ...string) func(contract.TenantID, []identity.Key) []bson.D {
	return func(t contract.TenantID, keys []identity.Key) (filters []bson.D) {
		for _, f := range fields {
			filters = append(filters, bson.D{{Key: "tenant", Value: t}, {Key: f, Value: op("$in", keys)}})
		}
		return filters
	}
}

// byIDs selects documents whose ids are identities'.
func byIDs(t contract.TenantID, keys []identity.Key) []bson.D {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = id(t, string(k))
	}
	return []bson.D{in("_id", ids)}
}

// byPrefix selects documents whose ids begin with their identity's.
func byPrefix(t contract.TenantID, keys []identity.Key) (filters []bson.D) {
	for _, k := range keys {
		from := id(t, string(k)) + "|"
		filters = append(filters, bson.D{{Key: "_id", Value: between(from, from+"~")}})
	}
	return filters
}

// byNotes selects the notes of ingest that name one of the identities.
func byNotes(t contract.TenantID, keys []identity.Key) []bson.D {
	return []bson.D{{{Key: "_id", Value: between(id(t, ""), id(t, "~"))}, {Key: "days.who", Value: op("$in", keys)}}}
}

// unstirred is what is left of a note without some identities.
func unstirred(d found, keys []identity.Key) bson.D {
	var days []stirredDay
	for _, day := range d.Days {
		who := slices.DeleteFunc(slices.Clone(day.Who), func(k identity.Key) bool { return slices.Contains(keys, k) })
		if len(who) > 0 {
			days = append(days, stirredDay{day.Day, who})
		}
	}
	if len(days) == 0 {
		return nil
	}
	return bson.D{{Key: "days", Value: days}}
}

// names reports whether something that was set aside names one of the identities: by an identifier, or by its key.
func (s *Erasures) names(d found, keys []identity.Key) bool {
	named := []identity.Key{d.Customer}
	if d.Event == nil {
		named = append(named, identity.Mentioned(s.keys, d.Raw)...)
	} else {
		e := contract.CustomerEvent{CustomerKey: d.Event.Customer, UserID: d.Event.User, AnonymousID: d.Event.Anonymous, PreviousID: d.Event.Previous}
		named = append(named, identity.Named(s.keys, &e)...)
	}
	return slices.ContainsFunc(keys, func(k identity.Key) bool { return slices.Contains(named, k) })
}

// parted tells whoever works out just now whom links connect that they have changed.
func parted(ctx context.Context, s *Erasures, task erasure.Task, _ []found) error {
	_, err := touch(ctx, s.db, task.Tenant, nil)
	return err
}

// gone notes when the profiles were deleted, for caches that hold them.
func gone(ctx context.Context, s *Erasures, task erasure.Task, _ []found) error {
	at, err := touch(ctx, s.db, task.Tenant, nil)
	if err != nil {
		return err
	}
	ids := make([]string, len(task.Keys)) // all of them: linked identities are known under one that may have had no profile
	for i, key := range task.Keys {
		ids[i] = id(task.Tenant, string(key))
	}
	_, err = s.suppressed.UpdateMany(ctx, in("_id", ids), set(bson.D{{Key: "gone", Value: at}}))
	return mongodb.Fault(err)
}

// removed keeps the account of ingest: what was stored is removed.
func removed(ctx context.Context, s *Erasures, _ erasure.Task, docs []found) error {
	return withdraw(ctx, s.fences, docs)
}

// withdraw counts events as removed at their partitions.
func withdraw(ctx context.Context, fences *Fences, docs []found) error {
	from := map[[2]int64]int64{}
	for _, d := range docs {
		from[[2]int64{d.Epoch, int64(d.Partition)}]++
	}
	for at, n := range from {
		if err := fences.Add(ctx, at[0], int(at[1]), ingest.Counts{Removed: n}, nil); err != nil {
			return err
		}
	}
	return nil
}

// restated touches the days of facts and rows, so that windows which counted them are measured again.
func restated(ctx context.Context, s *Erasures, task erasure.Task, docs []found) error {
	days := make([]contract.Day, len(docs))
	for i, d := range docs {
		days[i] = d.Day
	}
	slices.Sort(days)
	_, err := touch(ctx, s.db, task.Tenant, slices.Compact(days))
	return err
}

// unkept frees what is kept beside the rows of the person, and has the rows' days measured again.
func unkept(ctx context.Context, s *Erasures, task erasure.Task, docs []found) error {
	var who []identity.Key
	for _, d := range docs {
		if !slices.Contains(who, d.Customer) {
			who = append(who, d.Customer)
		}
	}
	if err := newKept(task.Tenant, s.db).forget(ctx, who); err != nil {
		return err
	}
	return restated(ctx, s, task, docs)
}

// Held implements erasure.Disclosure. The notes of ingest are left out: they name others beside the person, and nothing else.
func (s *Erasures) Held(ctx context.Context, t contract.TenantID, customer identity.Key) (int, map[string][]map[string]any, error) {
	task := erasure.Task{Erasure: erasure.Erasure{Tenant: t}, Keys: []identity.Key{customer}}
	more, err := s.connected(ctx, task)
	if err != nil {
		return 0, nil, err
	}
	held := map[string][]map[string]any{}
	keys := append(task.Keys, more...)
	for _, r := range rooms {
		if r.without != nil {
			continue
		}
		for some := range slices.Chunk(keys, someKeys) {
			docs, err := r.read(ctx, s, t, some)
			if err != nil {
				return 0, nil, fmt.Errorf("read a person's %s: %w", r.collection, err)
			}
			held[r.collection] = append(held[r.collection], docs...)
		}
	}
	return len(keys), held, nil
}

// read returns the room's documents of the identities, each once.
func (r room) read(ctx context.Context, s *Erasures, t contract.TenantID, keys []identity.Key) (docs []map[string]any, err error) {
	seen := map[string]bool{}
	for _, filter := range r.where(t, keys) {
		err = each(ctx, s.db.Collection(r.collection), filter, options.Find(), func(raw bson.Raw) error {
			var d found
			var whole bson.D
			if r.is != nil { // only there fields are named as found has them
				if err := mongodb.Unmarshal(raw, &d); err != nil || !r.is(s, d, keys) {
					return err
				}
			}
			if err := mongodb.Unmarshal(raw, &whole); err != nil {
				return err
			}
			doc := plain(whole).(map[string]any)
			if at := fmt.Sprint(doc["_id"]); !seen[at] {
				seen[at] = true
				docs = append(docs, doc)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return docs, nil
}
