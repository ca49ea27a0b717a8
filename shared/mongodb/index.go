package mongodb

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Index is one index as it ought to be.
type Index struct {
	Collection string
	Keys       bson.D         // fields in order, 1 or -1
	Unique     bool           // begin its keys with the tenant
	Partial    bson.D         // only documents that match; nil means all
	TTL        *time.Duration // delete documents so long after the date in the one key, about once a minute; nil means never
	Name       string         // "" means field_direction pairs joined by _
}

// name returns the index's name in the database.
func (ix Index) name() string {
	if ix.Name != "" {
		return ix.Name
	}
	parts := make([]string, 0, len(ix.Keys))
	for _, k := range ix.Keys {
		parts = append(parts, fmt.Sprintf("%s_%v", k.Key, k.Value))
	}
	return strings.Join(parts, "_")
}

func (ix Index) model() mongo.IndexModel {
	o := options.Index().SetName(ix.name())
	if ix.Unique {
		o.SetUnique(true)
	}
	if ix.Partial != nil {
		o.SetPartialFilterExpression(ix.Partial)
	}
	if ix.TTL != nil {
		o.SetExpireAfterSeconds(int32(ix.TTL.Seconds()))
	}
	return mongo.IndexModel{Keys: ix.Keys, Options: o}
}

// EnsureIndexes creates the indexes that are missing. It may be repeated. An index of the same name that is otherwise
// made is a Conflict: indexes are changed by a migration, never silently.
func EnsureIndexes(ctx context.Context, db *DB, ix []Index) error {
	names, byCollection := group(ix)
	for _, name := range names {
		models := make([]mongo.IndexModel, 0, len(byCollection[name]))
		for _, i := range byCollection[name] {
			models = append(models, i.model())
		}
		if _, err := db.Collection(name).Indexes().CreateMany(ctx, models); err != nil {
			if hasCode(err, 85) || hasCode(err, 86) {
				return fault.New(fault.Conflict, fault.SetupRequired,
					"mongodb: an index of %s exists with other options: drop it in a migration", name)
			}
			return fmt.Errorf("mongodb: create indexes of %s: %w", name, Fault(err))
		}
	}
	return nil
}

// group returns the collections in order of first mention, with their indexes.
func group(ix []Index) ([]string, map[string][]Index) {
	var names []string
	byCollection := map[string][]Index{}
	for _, i := range ix {
		if byCollection[i.Collection] == nil {
			names = append(names, i.Collection)
		}
		byCollection[i.Collection] = append(byCollection[i.Collection], i)
	}
	return names, byCollection
}

// VerifyIndexes returns nil when every index is there as specified, else an error with code setup_required that names
// what is missing and the command that mends it.
func VerifyIndexes(ctx context.Context, db *DB, ix []Index) error {
	names, byCollection := group(ix)
	var wrong []string
	for _, name := range names {
		have, err := db.indexes(ctx, name)
		if err != nil {
			return err
		}
		for _, i := range byCollection[name] {
			if found, ok := have[i.name()]; !ok || !found.is(i) {
				wrong = append(wrong, name+"."+i.name())
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return setupRequired("indexes are missing or different: " + strings.Join(wrong, ", "))
}

func setupRequired(what string) error {
	return fault.New(fault.Invalid, fault.SetupRequired, "mongodb: %s: run `strata setup`", what)
}

// described is an index as the server lists it.
type described struct {
	Name    string   `bson:"name"`
	Keys    bson.Raw `bson:"key"`
	Unique  bool     `bson:"unique"`
	Partial bson.Raw `bson:"partialFilterExpression"`
	TTL     *float64 `bson:"expireAfterSeconds"`
}

func (db *DB) indexes(ctx context.Context, collection string) (map[string]described, error) {
	cursor, err := db.Collection(collection).Indexes().List(ctx)
	var all []described
	if err == nil {
		err = cursor.All(ctx, &all)
	}
	if err != nil && !hasCode(err, 26) { // 26: the collection does not exist yet
		return nil, fmt.Errorf("mongodb: list indexes of %s: %w", collection, Fault(err))
	}
	byName := make(map[string]described, len(all))
	for _, d := range all {
		byName[d.Name] = d
	}
	return byName, nil
}

func (d described) is(ix Index) bool {
	sameTTL := (d.TTL == nil) == (ix.TTL == nil) && (ix.TTL == nil || *d.TTL == float64(int32(ix.TTL.Seconds())))
	return d.Unique == ix.Unique && sameTTL && sameKeys(d.Keys, ix.Keys) && sameFilter(d.Partial, ix.Partial)
}

// sameKeys compares names and directions; the server may list a direction as another numeric type.
func sameKeys(have bson.Raw, want bson.D) bool {
	elements, err := have.Elements()
	if err != nil || len(elements) != len(want) {
		return false
	}
	for i, e := range elements {
		direction, ok := e.Value().AsInt64OK()
		if !ok || e.Key() != want[i].Key || fmt.Sprint(direction) != fmt.Sprint(want[i].Value) {
			return false
		}
	}
	return true
}

func sameFilter(have bson.Raw, want bson.D) bool {
	if want == nil {
		return len(have) == 0
	}
	raw, err := bson.Marshal(want)
	return err == nil && bytes.Equal(have, raw)
}
