package mongostore

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/contract"
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

// persons is the stages that map an entity's rows to persons: two rows of a person's day become one.
func (c compiler) persons(e contract.Entity) []stage {
	if !c.linked {
		return nil
	}
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

func (c compiler) lookup(by string) stage {
	return op("$lookup", doc{{Key: "from", Value: personsCollection}, {Key: "localField", Value: by}, {Key: "foreignField", Value: "_id"}, {Key: "as", Value: "person"}})
}

// renamed gives a document its person for its customer.
func (c compiler) renamed() stage {
	return op("$set", op("customer", op("$ifNull", list(op("$first", "$person.person"), "$customer"))))
}
