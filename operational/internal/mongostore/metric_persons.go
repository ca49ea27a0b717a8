package mongostore

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Identities that belong to one person count as one customer. Facts and rows keep the identity that they came with, so
// that a link rewrites no history; a collection of persons, kept from the links, says whom each linked identity
// belongs to. Where there are no links it is empty, and no query is longer for it.

const personsCollection = "persons"

// personDoc maps a linked identity to its person; the person's own document also lists the profiles of all of them.
type personDoc struct {
	ID      string            `bson:"_id"` // tenant|identity key
	V       int               `bson:"v"`
	Tenant  contract.TenantID `bson:"tenant"`
	Person  string            `bson:"person"`
	Members []string          `bson:"members,omitempty"` // tenant|identity key
}

// persons reads what match selects of an entity's rows, each row with its person for its customer; two rows of a person's
// day become one. Unless too many identities are linked, only theirs are mapped, in a walk of their own, and added to the others.
func (c compiler) persons(e contract.Entity, match doc) []stage {
	read := op("$match", match)
	switch {
	case !c.linked:
		return []stage{read}
	case c.few == nil || e == contract.Answer: // there are few answers
		return append([]stage{read}, c.mapped(e)...)
	}
	others := op("$match", append(slices.Clone(match), bson.E{Key: "customer", Value: op("$nin", c.few)}))
	theirs := append([]stage{op("$match", append(slices.Clone(match), bson.E{Key: "customer", Value: op("$in", c.few)}))}, c.mapped(e)...)
	return []stage{others, op("$unionWith", doc{{Key: "coll", Value: collectionOf(e)}, {Key: "pipeline", Value: theirs}})}
}

// mapped is the stages that give rows their persons and make one of two rows of a person's day.
func (c compiler) mapped(e contract.Entity) []stage {
	stages := []stage{op("$set", op("pid", op("$concat", list(literal(string(c.tenant)+"|"), "$customer")))), c.lookup("pid"), c.renamed()}
	if e == contract.Answer {
		return stages
	}
	group := doc{{Key: "_id", Value: doc{{Key: "c", Value: "$customer"}, {Key: "d", Value: "$day"}}}}
	for _, f := range []string{"orders", "revenueMinor", "units", "zeroOrders"} {
		group = append(group, bson.E{Key: f, Value: op("$sum", field(f))})
	}
	return append(stages, op("$group", group), op("$set", doc{{Key: "customer", Value: "$_id.c"}, {Key: "day", Value: "$_id.d"}}))
}

// fewLinked is how many linked identities are mapped apart from all others; of more, naming them all in every query takes
// longer than looking every row up: BenchmarkLinked.
const fewLinked = 5000

// compiler returns what compiles queries now: with the persons, if any identities are linked.
func (s *Metrics) compiler(ctx context.Context) (compiler, error) {
	c := compiler{tenant: s.tenant}
	persons := s.db.Collection(personsCollection)
	n, err := persons.EstimatedDocumentCount(ctx)
	if err != nil || n == 0 {
		return c, mongodb.Fault(err)
	}
	var docs []personDoc
	some := options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(s.few) + 1)
	own := between(id(s.tenant, ""), id(s.tenant, "~"))
	if err := all(ctx, persons, bson.D{{Key: "_id", Value: own}}, &docs, some); err != nil {
		return c, fmt.Errorf("linked identities: %w", err)
	}
	if c.linked = len(docs) > 0; len(docs) > s.few {
		return c, nil
	}
	for _, d := range docs {
		c.few = append(c.few, d.ID[len(s.tenant)+1:])
	}
	return c, nil
}

func (c compiler) lookup(by string) stage {
	return op("$lookup", doc{{Key: "from", Value: personsCollection}, {Key: "localField", Value: by}, {Key: "foreignField", Value: "_id"}, {Key: "as", Value: "person"}})
}

// renamed gives a document its person for its customer.
func (c compiler) renamed() stage {
	return op("$set", op("customer", op("$ifNull", list(op("$first", "$person.person"), "$customer"))))
}
