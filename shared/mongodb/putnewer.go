package mongodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Put is what became of a received revision.
type Put uint8

// The closed list of outcomes.
const (
	Applied Put = iota // newer than what was stored: it is the state now
	Same               // equal revision and equal content: nothing changed
	Stale              // lower than what is stored: nothing changed
	Clash              // equal revision, other content: nothing changed; raise revision_conflict
)

// String returns the outcome in snake case, as metrics label it.
func (p Put) String() string {
	return [...]string{"applied", "same", "stale", "revision_conflict"}[p]
}

// PutNewer stores doc as the document id when revision is greater than the stored one, and otherwise changes nothing and
// says why, so that lost, doubled and reordered messages heal. The document gets the fields _id, revision and content
// (a hash of everything else; the order of fields does not count), replacing doc's own.
//
// It runs inside [DB.Tx] only, and takes one round trip, or two when nothing was applied. Revisions start at 0.
// Errors: Invalid for a negative revision, an empty id or a doc that is no document; else as [Fault] has it.
func PutNewer(ctx context.Context, c *mongo.Collection, id string, revision int64, doc any) (Put, error) {
	if !inTx(ctx) {
		return 0, fmt.Errorf("mongodb: PutNewer %s outside a transaction: call it in DB.Tx", c.Name())
	}
	if revision < 0 || id == "" {
		return 0, fault.New(fault.Invalid, fault.BadRequest, "an entity needs an id and a revision from 0 on")
	}
	stored, content, err := stamp(id, revision, doc)
	if err != nil {
		return 0, fmt.Errorf("mongodb: put into %s: %w", c.Name(), err)
	}
	res, err := c.BulkWrite(ctx, []mongo.WriteModel{
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: id}}).SetUpsert(true).
			SetUpdate(bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "revision", Value: int64(-1)}}}}),
		mongo.NewReplaceOneModel().SetReplacement(stored).
			SetFilter(bson.D{{Key: "_id", Value: id}, {Key: "revision", Value: bson.D{{Key: "$lt", Value: revision}}}}),
	})
	if err != nil {
		return 0, fmt.Errorf("mongodb: put into %s: %w", c.Name(), raced(err))
	}
	if res.UpsertedCount+res.MatchedCount == 2 {
		return Applied, nil
	}
	return compare(ctx, c, id, revision, content)
}

// raced marks a duplicate key, which two upserts of one _id may meet, for another run of the transaction.
func raced(err error) error {
	if onlyDuplicates(codesOf(err)) {
		return retryable{Fault(err)}
	}
	return Fault(err)
}

func compare(ctx context.Context, c *mongo.Collection, id string, revision int64, content []byte) (Put, error) {
	var have struct {
		Revision int64  `bson:"revision"`
		Content  []byte `bson:"content"`
	}
	err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}},
		options.FindOne().SetProjection(bson.D{{Key: "revision", Value: 1}, {Key: "content", Value: 1}})).Decode(&have)
	switch {
	case err != nil:
		return 0, fmt.Errorf("mongodb: compare with %s: %w", c.Name(), Fault(err))
	case have.Revision > revision:
		return Stale, nil
	case bytes.Equal(have.Content, content):
		return Same, nil
	default:
		return Clash, nil
	}
}

// stamp returns doc with _id, revision and content set, and the content's hash.
func stamp(id string, revision int64, doc any) (bson.D, []byte, error) {
	raw, err := Marshal(doc)
	if err != nil {
		return nil, nil, err
	}
	elements, err := raw.Elements()
	if err != nil {
		return nil, nil, fmt.Errorf("read back: %w", err)
	}
	elements = slices.DeleteFunc(elements, func(e bson.RawElement) bool {
		return e.Key() == "_id" || e.Key() == "revision" || e.Key() == "content"
	})
	content, err := hash(elements)
	if err != nil {
		return nil, nil, err
	}
	stored := bson.D{{Key: "_id", Value: id}}
	for _, e := range elements {
		stored = append(stored, bson.E{Key: e.Key(), Value: e.Value()})
	}
	return append(stored, bson.E{Key: "revision", Value: revision}, bson.E{Key: "content", Value: content}), content, nil
}

// hash is SHA-256 over the elements in the order of their keys, at every depth: maps encode in a random order. It is
// taken over BSON, so that times count to the millisecond, as they will be read back.
func hash(elements []bson.RawElement) ([]byte, error) {
	canonical, err := canonicalise(elements)
	if err != nil {
		return nil, err
	}
	raw, err := bson.Marshal(canonical)
	if err != nil {
		return nil, fmt.Errorf("hash: %w", err)
	}
	sum := sha256.Sum256(raw)
	return sum[:], nil
}

func canonicalise(elements []bson.RawElement) (bson.D, error) {
	out := make(bson.D, 0, len(elements))
	for _, e := range elements {
		v, err := canonicalValue(e.Value())
		if err != nil {
			return nil, err
		}
		out = append(out, bson.E{Key: e.Key(), Value: v})
	}
	slices.SortFunc(out, func(a, b bson.E) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
	return out, nil
}

func canonicalValue(v bson.RawValue) (any, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		elements, err := v.Document().Elements()
		if err != nil {
			return nil, fmt.Errorf("hash: %w", err)
		}
		return canonicalise(elements)
	case bson.TypeArray:
		values, err := v.Array().Values()
		if err != nil {
			return nil, fmt.Errorf("hash: %w", err)
		}
		out := make(bson.A, len(values))
		for i, element := range values {
			if out[i], err = canonicalValue(element); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return v, nil
	}
}
