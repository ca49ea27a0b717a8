package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/seedtest"
)

// The histories are over a few keys in two collections. Every write has a version of its own, and names the version it
// replaces. A deletion leaves its version in a third collection, so that even a key that is not there has one: then
// a scan reads every key, and what it finds absent counts as much as what it finds.
const (
	historyKeys    = 5 // in each of the two collections
	historyWorkers = 6
	historyRounds  = 40 // transactions of a worker
)

var historyCollections = []string{"a", "b"}

// reading is the version of every key, by collection/key. What was never written has the version "".
type reading map[string]string

// txn is what one transaction did, as its client knows.
type txn struct {
	name      string
	worker    int
	committed bool
	read      reading           // at its beginning, before it wrote
	wrote     map[string]string // the last version for each key
	replaced  map[string]string // the version that it replaced
	between   []string          // versions that it overwrote itself: nobody else may see them
}

// historian runs transactions and keeps what they saw.
type historian struct {
	t      *testing.T
	client *mongo.Client

	mu        sync.Mutex
	all       []*txn
	conflicts int
	plain     []string // versions that reads outside of transactions saw
}

func TestHistoriesAreSnapshotIsolated(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	_, client := open(t, docstore.Options{InMemory: true})
	h := &historian{t: t, client: client}
	for _, name := range append(historyCollections, "graves") { // a transaction may not wait for the collection to be made
		if _, err := h.coll(name).Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: doc("n", 1)}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for w := range historyWorkers {
		wg.Go(func() { h.work(w, rand.New(rand.NewPCG(seed, uint64(w)))) })
	}
	wg.Wait()
	h.judge()
}

func (h *historian) coll(name string) *mongo.Collection {
	return h.client.Database("history").Collection(name)
}

func (h *historian) work(w int, rng *rand.Rand) {
	s, err := h.client.StartSession()
	if err != nil {
		h.t.Error(err)
		return
	}
	defer s.EndSession(context.Background())
	for i := range historyRounds {
		x := &txn{name: fmt.Sprintf("t%d.%d", w, i), worker: w, wrote: map[string]string{}, replaced: map[string]string{}}
		err := h.run(s, x, rng)
		var se mongo.ServerError
		conflict := errors.As(err, &se) && se.HasErrorCode(112)
		if err != nil && !conflict && !errors.Is(err, errChange) {
			h.t.Errorf("%s: %v", x.name, err)
			return
		}
		seen, err := h.look(context.Background(), rng)
		if err != nil {
			h.t.Error(err)
			return
		}
		h.mu.Lock()
		h.all = append(h.all, x)
		for _, v := range seen {
			if _, dead := strings.CutPrefix(v, "dead "); !dead { // outside of a transaction a grave may be older than what followed it
				h.plain = append(h.plain, v)
			}
		}
		if conflict {
			h.conflicts++
		}
		h.mu.Unlock()
	}
}

// errChange ends a transaction whose client has changed its mind.
var errChange = errors.New("the client rolls back")

func (h *historian) run(s *mongo.Session, x *txn, rng *rand.Rand) error {
	if err := s.StartTransaction(options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority())); err != nil {
		return err
	}
	ctx := mongo.NewSessionContext(context.Background(), s)
	err := h.body(ctx, x, rng)
	if err == nil {
		err = s.CommitTransaction(ctx)
		x.committed = err == nil
		return err
	}
	return errors.Join(err, s.AbortTransaction(ctx))
}

// body reads everything, writes some, and reads everything again.
func (h *historian) body(ctx context.Context, x *txn, rng *rand.Rand) error {
	before, err := h.look(ctx, rng)
	if err != nil {
		return err
	}
	x.read = maps.Clone(before)
	for range 1 + rng.IntN(3) {
		if err := h.change(ctx, x, before, rng); err != nil {
			return err
		}
		now, err := h.look(ctx, rng)
		if err != nil {
			return err
		}
		if !maps.Equal(now, before) {
			h.t.Errorf("%s saw %v, and with its own writes should have seen %v: an unrepeatable read, or a phantom", x.name, now, before)
		}
	}
	if rng.IntN(5) == 0 {
		return errChange
	}
	return nil
}

// change writes one key: it inserts what is absent, and updates or deletes what is there.
func (h *historian) change(ctx context.Context, x *txn, state reading, rng *rand.Rand) error {
	name, n := historyCollections[rng.IntN(2)], rng.IntN(historyKeys)
	key := fmt.Sprintf("%s/%d", name, n)
	old, version := state[key], fmt.Sprintf("%s-%d", x.name, rng.Uint32())
	_, dead := strings.CutPrefix(old, "dead ")
	var err error
	switch {
	case old == "" || dead:
		_, err = h.coll(name).InsertOne(ctx, doc("_id", n, "n", n, "v", version))
	case rng.IntN(3) == 0:
		version = "dead " + version
		if _, err = h.coll(name).DeleteOne(ctx, doc("_id", n)); err == nil {
			_, err = h.coll("graves").UpdateByID(ctx, key, doc("$set", doc("v", version, "n", n)), options.UpdateOne().SetUpsert(true))
		}
	default:
		var res *mongo.UpdateResult
		res, err = h.coll(name).UpdateOne(ctx, doc("n", n, "v", old), doc("$set", doc("v", version)))
		if err == nil && res.MatchedCount != 1 {
			h.t.Errorf("%s read version %s of %s and could not find it again", x.name, old, key)
		}
	}
	if err != nil {
		return err
	}
	if own, again := x.wrote[key]; again {
		x.between = append(x.between, own)
	} else {
		x.replaced[key] = old
	}
	x.wrote[key], state[key] = version, version
	return nil
}

// look reads every key, by _id or by the index, one after the other or all together.
func (h *historian) look(ctx context.Context, rng *rand.Rand) (reading, error) {
	state := reading{}
	for _, name := range []string{"graves", "a", "b"} {
		filter := bson.D{}
		if rng.IntN(2) == 0 {
			filter = doc("n", doc("$gte", 0, "$lt", historyKeys))
		}
		cur, err := h.coll(name).Find(ctx, filter, options.Find().SetBatchSize(int32(1+rng.IntN(4))))
		if err != nil {
			return nil, err
		}
		var docs []struct {
			ID any `bson:"_id"`
			V  string
		}
		if err := cur.All(ctx, &docs); err != nil {
			return nil, err
		}
		for _, d := range docs {
			key := fmt.Sprint(d.ID)
			if name != "graves" {
				key = fmt.Sprintf("%s/%v", name, d.ID)
			}
			state[key] = d.V
		}
	}
	return state, nil
}

// judge looks for what snapshot isolation forbids, and fails too where nothing happened that could have gone wrong.
func (h *historian) judge() {
	committed := map[string]*txn{} // by the version that it left
	forbidden := map[string]string{}
	var good []*txn
	for _, x := range h.all {
		for _, v := range x.between {
			forbidden[v] = "was overwritten by its own transaction"
		}
		for _, v := range x.wrote {
			if x.committed {
				committed[v] = x
			} else {
				forbidden[v] = "was rolled back"
			}
		}
		if x.committed {
			good = append(good, x)
		}
	}
	seen := slices.Clone(h.plain)
	for _, x := range h.all {
		seen = append(seen, slices.Collect(maps.Values(x.read))...)
	}
	for _, v := range seen {
		if why := forbidden[v]; why != "" {
			h.t.Errorf("a dirty read: version %s %s", v, why)
		} else if v != "" && committed[v] == nil {
			h.t.Errorf("version %s comes from nowhere", v)
		}
	}
	next := h.successors(good)
	skews := h.order(good, committed, next)
	h.t.Logf("%d transactions, %d committed, %d conflicts, %d versions never to be seen, %d transactions in a write skew", len(h.all), len(good), h.conflicts, len(forbidden), skews)
	if h.conflicts == 0 || len(forbidden) == 0 || len(good) < historyWorkers || skews == 0 {
		h.t.Error("the history is too tame to show anything: it must have conflicts, rollbacks and write skew, which snapshot isolation allows")
	}
}

// successors returns who replaced which version of a key. Two who replaced the same one lost an update.
func (h *historian) successors(good []*txn) map[string]*txn {
	next := map[string]*txn{}
	for _, x := range good {
		for key, old := range x.replaced {
			at := key + " " + old
			if other := next[at]; other != nil {
				h.t.Errorf("a lost update: %s and %s both replaced version %q of %s", other.name, x.name, old, key)
			}
			next[at] = x
		}
	}
	return next
}

// order checks what a history allows (Cerone, Bernardi, Gotsman 2015): with the dependencies D (who read from, came
// after, or ran in the session after whom) and the anti-dependencies R (who read what the other replaced), it is
// snapshot isolated if and only if D followed by at most one R has no cycle. It returns how many transactions are on a
// cycle of D and R, which a serializable store would not allow.
func (h *historian) order(good []*txn, committed, next map[string]*txn) (skews int) {
	index := map[*txn]int{}
	for i, x := range good {
		index[x] = i
	}
	n := len(good)
	d, r := newRelation(n), newRelation(n)
	last := map[int]int{}
	for i, x := range good {
		if before, ok := last[x.worker]; ok {
			d.add(before, i)
		}
		last[x.worker] = i
		for _, name := range historyCollections {
			for k := range historyKeys {
				key := fmt.Sprintf("%s/%d", name, k)
				if w := committed[x.read[key]]; w != nil && w != x {
					d.add(index[w], i)
				}
				if w := next[key+" "+x.read[key]]; w != nil && w != x {
					r.add(i, index[w])
				}
			}
		}
		for _, old := range x.replaced {
			if w := committed[old]; w != nil {
				d.add(index[w], i)
			}
		}
	}
	si, all := d.union(d.then(r)), d.union(r)
	for i := range si.closure().loops() {
		h.t.Errorf("%s cannot have its place in any order of snapshots: it read some of what another wrote, and not the rest", good[i].name)
	}
	for range all.closure().loops() {
		skews++
	}
	return skews
}

// relation is a set of pairs, as rows of bits.
type relation [][]bool

func newRelation(n int) relation {
	r := make(relation, n)
	for i := range r {
		r[i] = make([]bool, n)
	}
	return r
}

func (r relation) add(i, j int) { r[i][j] = true }

func (r relation) union(o relation) relation {
	out := newRelation(len(r))
	for i := range r {
		for j := range r {
			out[i][j] = r[i][j] || o[i][j]
		}
	}
	return out
}

func (r relation) then(o relation) relation {
	out := newRelation(len(r))
	for i := range r {
		for j := range r {
			if r[i][j] {
				out.absorb(i, o[j])
			}
		}
	}
	return out
}

func (r relation) absorb(i int, row []bool) {
	for k, set := range row {
		r[i][k] = r[i][k] || set
	}
}

func (r relation) closure() relation {
	out := r.union(r)
	for k := range out {
		for i := range out {
			if out[i][k] {
				out.absorb(i, out[k])
			}
		}
	}
	return out
}

// loops yields the elements that come before themselves.
func (r relation) loops() func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range r {
			if r[i][i] && !yield(i) {
				return
			}
		}
	}
}

// TestWriteSkewIsAllowed shows the anomaly that snapshot isolation is known for, so that nobody relies on more: each
// transaction checks that the other doctor is on call and takes its own off.
func TestWriteSkewIsAllowed(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 1, "on", true), doc("_id", 2, "on", true))
	a, sa := transaction(t, client)
	b, sb := transaction(t, client)
	for i, ctx := range []context.Context{a, b} {
		if n, err := coll.CountDocuments(ctx, doc("on", true)); err != nil || n != 2 {
			t.Fatalf("%d on call, %v", n, err)
		}
		if _, err := coll.UpdateByID(ctx, i+1, doc("$set", doc("on", false))); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*mongo.Session{sa, sb} {
		if err := s.CommitTransaction(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := coll.CountDocuments(t.Context(), doc("on", true)); err != nil || n != 0 {
		t.Errorf("%d on call, %v: the store is stricter than its documentation says; say so there", n, err)
	}
}
