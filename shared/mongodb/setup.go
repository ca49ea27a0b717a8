package mongodb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	setupCollection = "strata_setup"
	setupLease      = "lease"
	leaseTerm       = 30 * time.Second
)

// Migration is one numbered change of a database: expand (add what the new code needs) or contract (remove what the old
// code needed), never both. Run may be repeated after a failure and so must be harmless when it has partly taken place.
type Migration struct {
	Number int    // from 1, in the order to run, never reused
	Name   string // never changed once released
	Run    func(ctx context.Context, db *DB) error
}

// Setup brings the database to what the code needs: the given indexes and those of this package, then every migration
// that has not run, in the order of their numbers. It may be repeated and run at once from several processes: one lease
// lets one of them work, the others wait until ctx ends. Only `strata setup` and local mode call it.
func Setup(ctx context.Context, db *DB, ix []Index, ms []Migration) error {
	ms, err := ordered(ms)
	if err != nil {
		return err
	}
	held, err := db.acquire(ctx, setupLease)
	if err != nil {
		return err
	}
	defer held.release()
	if err := EnsureIndexes(held.ctx, db, append(OwnIndexes(), ix...)); err != nil {
		return err
	}
	return db.migrate(held.ctx, ms)
}

// Verify returns nil when everything that Setup does has been done, else an error with code setup_required that says
// what is missing and names `strata setup`. It changes nothing.
func Verify(ctx context.Context, db *DB, ix []Index, ms []Migration) error {
	ms, err := ordered(ms)
	if err != nil {
		return err
	}
	if err := VerifyIndexes(ctx, db, append(OwnIndexes(), ix...)); err != nil {
		return err
	}
	done, err := db.migrations(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for _, m := range ms {
		if done[m.Number] == "" {
			missing = append(missing, fmt.Sprintf("%d %s", m.Number, m.Name))
		}
	}
	if len(missing) > 0 {
		return setupRequired("migrations have not run: " + strings.Join(missing, ", "))
	}
	return nil
}

// OwnIndexes returns the indexes of this package's own collections. Setup and Verify include them.
func OwnIndexes() []Index {
	now := time.Duration(0)
	return []Index{
		{Collection: outboxCollection, Name: "due", Keys: bson.D{{Key: "due", Value: 1}, {Key: "since", Value: 1}},
			Partial: bson.D{{Key: "due", Value: true}}},
		{Collection: outboxCollection, Name: "next", Keys: bson.D{{Key: "next", Value: 1}}},
		{Collection: idempotencyCollection, Name: "expires", Keys: bson.D{{Key: "expires", Value: 1}}, TTL: &now},
	}
}

func ordered(ms []Migration) ([]Migration, error) {
	ms = slices.SortedFunc(slices.Values(ms), func(a, b Migration) int { return a.Number - b.Number })
	for i, m := range ms {
		if m.Number < 1 || m.Name == "" || m.Run == nil || i > 0 && ms[i-1].Number == m.Number {
			return nil, fmt.Errorf("mongodb: migration %d %q needs a number of its own from 1, a name and a function", m.Number, m.Name)
		}
	}
	return ms, nil
}

// applied is a migration that has run. Changes allowed: new optional fields.
type applied struct {
	ID     string    `bson:"_id"`
	Kind   string    `bson:"kind"`
	Number int       `bson:"number"`
	Name   string    `bson:"name"`
	At     time.Time `bson:"at"`
}

func (db *DB) migrate(ctx context.Context, ms []Migration) error {
	done, err := db.migrations(ctx)
	if err != nil {
		return err
	}
	for _, m := range ms {
		if name := done[m.Number]; name == m.Name {
			continue
		} else if name != "" {
			return fault.New(fault.Conflict, fault.SetupRequired,
				"mongodb: migration %d ran as %q and is now %q: give the new one a number of its own", m.Number, name, m.Name)
		}
		if err := m.Run(ctx, db); err != nil {
			return fmt.Errorf("mongodb: migration %d %s: %w", m.Number, m.Name, Fault(err))
		}
		_, err := db.Collection(setupCollection).InsertOne(ctx,
			applied{ID: fmt.Sprintf("migration|%d", m.Number), Kind: "migration", Number: m.Number, Name: m.Name, At: db.now().UTC()})
		if err != nil {
			return fmt.Errorf("mongodb: record migration %d: %w", m.Number, Fault(err))
		}
		db.log.InfoContext(ctx, "migration done", "number", m.Number, "name", m.Name)
	}
	return nil
}

// migrations returns the names of those that have run by number.
func (db *DB) migrations(ctx context.Context) (map[int]string, error) {
	cursor, err := db.Collection(setupCollection).Find(ctx, bson.D{{Key: "kind", Value: "migration"}})
	var all []applied
	if err == nil {
		err = cursor.All(ctx, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("mongodb: read migrations: %w", Fault(err))
	}
	done := make(map[int]string, len(all))
	for _, a := range all {
		done[a.Number] = a.Name
	}
	return done, nil
}

// lease is held until release; its ctx ends when it could not be renewed in time.
type lease struct {
	ctx     context.Context
	release func()
}

// acquire waits for the lease of the name.
func (db *DB) acquire(ctx context.Context, name string) (lease, error) {
	holder := uuid.NewString()
	for {
		ok, err := db.claim(ctx, name, holder, leaseTerm)
		if err != nil {
			return lease{}, fmt.Errorf("mongodb: lease %s: %w", name, err)
		}
		if ok {
			return db.keep(ctx, name, holder), nil
		}
		if sleep(ctx, jitter(leaseTerm/100)) != nil {
			return lease{}, fault.New(fault.Transient, fault.Unavailable,
				"mongodb: another process holds the lease %s: wait for it to end, then try again", name)
		}
	}
}

// Alone calls fn while nobody else does anything under the name, in this process or another, and reports whether it did:
// false, where somebody else does. fn's ctx ends when that can no longer be vouched for.
func (db *DB) Alone(ctx context.Context, name string, fn func(ctx context.Context) error) (bool, error) {
	holder := uuid.NewString()
	ok, err := db.claim(ctx, name, holder, leaseTerm)
	if err != nil {
		return false, fmt.Errorf("mongodb: lease %s: %w", name, err)
	}
	if !ok {
		return false, nil
	}
	held := db.keep(ctx, name, holder)
	defer held.release()
	return true, fn(held.ctx)
}

// claim takes or prolongs the lease and says whether holder has it now, for term.
func (db *DB) claim(ctx context.Context, name, holder string, term time.Duration) (bool, error) {
	now := db.now().UTC()
	filter := bson.D{{Key: "_id", Value: name}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "holder", Value: holder}}, bson.D{{Key: "until", Value: bson.D{{Key: "$lt", Value: now}}}},
	}}}
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "holder", Value: holder}, {Key: "until", Value: now.Add(term)}}}}
	_, err := db.Collection(setupCollection).UpdateOne(ctx, filter, set, options.UpdateOne().SetUpsert(true))
	if onlyDuplicates(codesOf(err)) { // the document exists and is another's
		return false, nil
	}
	if err != nil {
		return false, Fault(err)
	}
	return true, nil
}

// keep renews the lease in the background until release, which gives it back.
func (db *DB) keep(ctx context.Context, name, holder string) lease {
	working, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for sleep(working, leaseTerm/3) == nil {
			if ok, err := db.claim(working, name, holder, leaseTerm); err != nil || !ok {
				cancel(fmt.Errorf("mongodb: lease %s lost", name))
				return
			}
		}
	}()
	return lease{ctx: working, release: func() {
		cancel(nil)
		<-stopped
		db.giveBack(context.WithoutCancel(ctx), name, holder)
	}}
}

// giveBack lets others have the lease at once; it does not wait long for a database that is away, since the lease ends by
// itself.
func (db *DB) giveBack(ctx context.Context, name, holder string) {
	ctx, cancel := context.WithTimeout(ctx, min(db.timeout, time.Second))
	defer cancel()
	_, err := db.Collection(setupCollection).DeleteOne(ctx, bson.D{{Key: "_id", Value: name}, {Key: "holder", Value: holder}})
	if err != nil {
		db.log.WarnContext(ctx, "a lease was not given back and ends by itself", "lease", name, "error", Fault(err))
	}
}
