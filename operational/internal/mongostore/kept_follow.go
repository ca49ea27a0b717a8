package mongostore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/mongodb"
)

// This file brings what is kept up to where ingest is.

// changedDays are the days of identities that are to be read again, by bucket.
type changedDays struct {
	of map[string]map[fact.DayKey]bool
	n  int
}

func (t *changedDays) add(k fact.DayKey) {
	b := bucketOf(k.Customer)
	if t.of[b] == nil {
		t.of[b] = map[fact.DayKey]bool{}
	}
	if !t.of[b][k] {
		t.of[b][k] = true
		t.n++
	}
}

// mostTouched is how many days of identities are held at once; of more, these are put in first.
const mostTouched = 500_000

// follow reads again the days that the notes since the state's position name.
func (k *kept) follow(ctx context.Context, st *keptStateDoc, position map[int]int64) error {
	t := changedDays{of: map[string]map[fact.DayKey]bool{}}
	for _, part := range sorted(position) {
		since := st.Contains[strconv.Itoa(part)]
		if position[part] <= since {
			continue
		}
		if err := k.noted(ctx, st.Generation, part, since, &t); err != nil {
			return err
		}
	}
	now, err := k.position(ctx) // ingest went on, and forgot old notes as it did
	if err != nil {
		return err
	}
	for part := range position {
		if now[part]-st.Contains[strconv.Itoa(part)] > keptPositions {
			return errForgotten
		}
	}
	if err := k.patch(ctx, st.Generation, &t); err != nil {
		return err
	}
	reached := bson.D{}
	for _, part := range sorted(position) {
		reached = append(reached, bson.E{Key: "contains." + strconv.Itoa(part), Value: position[part]})
	}
	return k.step(ctx, st.Generation, bson.E{Key: "$max", Value: reached})
}

// noted gathers what the notes of a partition name.
func (k *kept) noted(ctx context.Context, generation int64, part int, since int64, t *changedDays) error {
	after := doc{{Key: "$gt", Value: stirredID(k.tenant, part, since)}, {Key: "$lt", Value: fmt.Sprintf("%s|%d~", k.tenant, part)}}
	cur, err := k.notes.Find(ctx, doc{{Key: "_id", Value: after}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return fmt.Errorf("who stirred: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		var d stirredDoc
		if err := cur.Decode(&d); err != nil {
			return fmt.Errorf("who stirred: %w", err)
		}
		for _, day := range d.Days {
			for _, who := range day.Who {
				t.add(fact.DayKey{Customer: who, Day: day.Day})
			}
		}
		if t.n < mostTouched {
			continue
		}
		if err := k.patch(ctx, generation, t); err != nil {
			return err
		}
	}
	return mongodb.Fault(cur.Err())
}

// patch puts in what was touched, some buckets at a time, and forgets it.
func (k *kept) patch(ctx context.Context, generation int64, t *changedDays) error {
	var names []string
	var keys []fact.DayKey
	flush := func() error {
		if len(names) == 0 {
			return nil
		}
		err := k.db.Tx(ctx, func(ctx context.Context) error { return k.reread(ctx, generation, names, keys) })
		names, keys = names[:0], keys[:0]
		return err
	}
	for _, name := range sorted(t.of) {
		names = append(names, name)
		for key := range t.of[name] {
			keys = append(keys, key)
		}
		if len(keys) < k.pairsAtOnce {
			continue
		}
		if err := flush(); err != nil {
			return fmt.Errorf("bring up to date what is kept: %w", err)
		}
	}
	t.of, t.n = map[string]map[fact.DayKey]bool{}, 0
	if err := flush(); err != nil {
		return fmt.Errorf("bring up to date what is kept: %w", err)
	}
	return nil
}

// step changes the state of a generation; every change of what is kept does, so that no two are made from the same snapshot.
func (k *kept) step(ctx context.Context, generation int64, more ...bson.E) error {
	update := append(bson.D{{Key: "$inc", Value: bson.D{{Key: "steps", Value: 1}}}}, more...)
	res, err := k.states.UpdateOne(ctx, bson.D{{Key: "_id", Value: string(k.tenant)}, {Key: "generation", Value: generation}}, update)
	if err == nil && res.MatchedCount == 0 {
		return errMadeAnew
	}
	return mongodb.Fault(err)
}

// reread puts the rows of some days of identities, as they are now, into their buckets and the rollups.
func (k *kept) reread(ctx context.Context, generation int64, names []string, keys []fact.DayKey) error {
	if err := k.step(ctx, generation); err != nil {
		return err
	}
	now, err := k.rowsOf(ctx, keys)
	if err != nil {
		return err
	}
	before, err := k.bucketsOf(ctx, generation, names)
	if err != nil {
		return err
	}
	by := map[string]map[identity.Key][]fact.DayKey{}
	for _, key := range keys {
		b := bucketOf(key.Customer)
		if by[b] == nil {
			by[b] = map[identity.Key][]fact.DayKey{}
		}
		by[b][key.Customer] = append(by[b][key.Customer], key)
	}
	writes, moved := make([]mongo.WriteModel, 0, len(names)), rollups{}
	for _, name := range names {
		after, err := merged(before[name], by[name], now, moved)
		if err != nil {
			return err
		}
		writes = append(writes, k.bucketWrite(generation, name, after))
	}
	return k.write(ctx, generation, writes, moved)
}

func (k *kept) bucketWrite(generation int64, name string, packed []byte) mongo.WriteModel {
	key := k.of(generation, name)
	if len(packed) == 0 {
		return mongo.NewDeleteOneModel().SetFilter(byID(key))
	}
	return replacement(key, bucketDoc{key, packed})
}

func (k *kept) write(ctx context.Context, generation int64, buckets []mongo.WriteModel, moved rollups) error {
	if len(buckets) > 0 {
		if _, err := k.buckets.BulkWrite(ctx, buckets, unordered()); err != nil {
			return fmt.Errorf("buckets: %w", mongodb.Fault(err))
		}
	}
	if sums := moved.writes(k, generation); len(sums) > 0 {
		if _, err := k.sums.BulkWrite(ctx, sums); err != nil {
			return fmt.Errorf("rollups: %w", mongodb.Fault(err))
		}
	}
	return nil
}

// rowsOf returns the rows that there are of some days.
func (k *kept) rowsOf(ctx context.Context, keys []fact.DayKey) (map[fact.DayKey]counts, error) {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = id(k.tenant, key.ID())
	}
	cur, err := k.rows.Find(ctx, in("_id", ids), options.Find().SetBatchSize(int32(len(ids))))
	if err != nil {
		return nil, fmt.Errorf("rows: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	now := make(map[fact.DayKey]counts, len(keys))
	for cur.Next(ctx) {
		who, day, c, err := keptRow(cur.Current)
		if err != nil {
			return nil, err
		}
		now[fact.DayKey{Customer: who, Day: day}] = c
	}
	return now, mongodb.Fault(cur.Err())
}

// bucketsOf returns the buckets that there are of some names.
func (k *kept) bucketsOf(ctx context.Context, generation int64, names []string) (map[string][]byte, error) {
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = k.of(generation, name)
	}
	var docs []bucketDoc
	if err := all(ctx, k.buckets, in("_id", ids), &docs); err != nil {
		return nil, fmt.Errorf("buckets: %w", err)
	}
	skip := len(k.of(generation, ""))
	out := make(map[string][]byte, len(docs))
	for i := range docs {
		out[docs[i].ID[skip:]] = docs[i].Customers
	}
	return out, nil
}

// segment is one packed customer of a bucket.
type segment struct {
	key    identity.Key
	packed []byte
}

// joined packs a bucket, by key.
func joined(some []segment) (packed []byte) {
	slices.SortFunc(some, func(a, b segment) int { return cmp.Compare(a.key, b.key) })
	for _, s := range some {
		packed = append(packed, s.packed...)
	}
	return packed
}

// merged returns a bucket with some days of its identities as they are now, and adds what that changes to the rollups.
func merged(packed []byte, changed map[identity.Key][]fact.DayKey, now map[fact.DayKey]counts, moved rollups) ([]byte, error) {
	var out []segment
	settle := func(c *keptCustomer) error {
		err := c.settle(changed[c.key], now, moved)
		if err == nil && len(c.days) > 0 {
			out = append(out, segment{c.key, appendCustomer(nil, c)})
		}
		return err
	}
	known := map[identity.Key]bool{}
	var c keptCustomer
	for u := (unpacker{b: packed}); u.more(); {
		rest := u.b
		if err := u.next(&c); err != nil {
			return nil, err
		}
		known[c.key] = true
		if changed[c.key] == nil {
			out = append(out, segment{c.key, rest[:len(rest)-len(u.b)]}) // as it was
		} else if err := settle(&c); err != nil {
			return nil, err
		}
	}
	for key := range changed {
		if known[key] {
			continue
		}
		if err := settle(&keptCustomer{key: key}); err != nil {
			return nil, err
		}
	}
	return joined(out), nil
}

// settle gives some days of a customer what their rows say now.
func (c *keptCustomer) settle(days []fact.DayKey, now map[fact.DayKey]counts, moved rollups) error {
	for _, key := range days {
		n, err := numberOf(key.Day)
		if err != nil {
			return err
		}
		var row *counts
		if r, ok := now[key]; ok {
			row = &r
		}
		moved.change(n, c.put(n, row), row)
	}
	return nil
}

// rollup is the sums of a day, or how they change.
type rollup struct {
	rows   int64
	counts counts
}

// rollups are changes by day.
type rollups map[int64]*rollup

// change replaces a row of a day; nil is no row.
func (r rollups) change(day int64, before, now *counts) {
	d := r[day]
	if d == nil {
		d = &rollup{}
		r[day] = d
	}
	if before != nil {
		d.rows--
		d.counts.add(before, -1)
	}
	if now != nil {
		d.rows++
		d.counts.add(now, 1)
	}
}

// writes adds the changes to what is stored, and takes away days that have no row any more.
func (r rollups) writes(k *kept, generation int64) []mongo.WriteModel {
	var writes, after []mongo.WriteModel
	for _, day := range sorted(r) {
		d := r[day]
		if *d == (rollup{}) {
			continue
		}
		by := bson.D{{Key: "rows", Value: d.rows}}
		for i, name := range countNames {
			by = append(by, bson.E{Key: name, Value: d.counts[i]})
		}
		key := k.of(generation, string(dayOfNumber(day)))
		writes = append(writes, mongo.NewUpdateOneModel().SetUpsert(true).SetFilter(byID(key)).SetUpdate(bson.D{{Key: "$inc", Value: by}}))
		if d.rows < 0 {
			after = append(after, mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: key}, {Key: "rows", Value: 0}}))
		}
	}
	return append(writes, after...)
}

// outside is called where rows change in a way that no note of ingest tells of, in the transaction of ctx that does it. What
// another process is making anew at the time is thrown away, with the buckets of these names, since it may still contain what
// is gone. It returns the generation that counts, 0 if there is none.
func (k *kept) outside(ctx context.Context, buckets []string) (generation int64, err error) {
	var st keptStateDoc
	gone := bson.D{{Key: "$inc", Value: bson.D{{Key: "steps", Value: 1}, {Key: "erasures", Value: 1}}}, {Key: "$setOnInsert", Value: bson.D{{Key: "v", Value: version}, {Key: "tenant", Value: k.tenant}, {Key: "generation", Value: int64(0)}}}}
	if err := k.states.FindOneAndUpdate(ctx, byID(string(k.tenant)), gone, options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&st); err != nil {
		return 0, fmt.Errorf("state of what is kept: %w", mongodb.Fault(err))
	}
	return st.Generation, k.forgetUnfinished(ctx, st.Generation, buckets)
}

// again reads the rows of some days of identities again, in the transaction of ctx that changed them.
func (k *kept) again(ctx context.Context, keys []fact.DayKey) error {
	by := map[string]bool{}
	for _, key := range keys {
		by[bucketOf(key.Customer)] = true
	}
	generation, err := k.outside(ctx, sorted(by))
	if err != nil || generation == 0 {
		return err
	}
	return k.reread(ctx, generation, sorted(by), keys)
}

// forget takes identities out of what is kept, in the transaction of ctx that removes their rows.
func (k *kept) forget(ctx context.Context, who []identity.Key) error {
	by := map[string]map[identity.Key]bool{}
	for _, c := range who {
		if by[bucketOf(c)] == nil {
			by[bucketOf(c)] = map[identity.Key]bool{}
		}
		by[bucketOf(c)][c] = true
	}
	generation, err := k.outside(ctx, sorted(by))
	if err != nil || generation == 0 {
		return err
	}
	before, err := k.bucketsOf(ctx, generation, sorted(by))
	if err != nil {
		return err
	}
	var writes []mongo.WriteModel
	moved := rollups{}
	for _, name := range sorted(before) {
		after, err := without(before[name], by[name], moved)
		if err != nil {
			return err
		}
		writes = append(writes, k.bucketWrite(generation, name, after))
	}
	return k.write(ctx, generation, writes, moved)
}

// forgetUnfinished removes buckets from all generations that do not count: they are being made and thrown away, or what a
// process that was killed has left.
func (k *kept) forgetUnfinished(ctx context.Context, but int64, names []string) error {
	all, err := k.generations(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, g := range all {
		for _, name := range names {
			if g != but {
				ids = append(ids, k.of(g, name))
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := k.buckets.DeleteMany(ctx, in("_id", ids)); err != nil {
		return fmt.Errorf("buckets: %w", mongodb.Fault(err))
	}
	return nil
}

// without returns a bucket without some of its identities.
func without(packed []byte, gone map[identity.Key]bool, moved rollups) ([]byte, error) {
	var out []byte
	c := keptCustomer{}
	for u := (unpacker{b: packed}); u.more(); {
		rest := u.b
		if err := u.next(&c); err != nil {
			return nil, err
		}
		if !gone[c.key] {
			out = append(out, rest[:len(rest)-len(u.b)]...)
			continue
		}
		for i := range c.days {
			moved.change(c.days[i].day, &c.days[i].counts, nil)
		}
	}
	return out, nil
}
