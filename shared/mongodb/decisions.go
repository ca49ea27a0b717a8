package mongodb

import (
	"context"
	"errors"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

const decisionsCollection = "strata_decisions"

// Decisions keeps policy decisions in full; Record is the engine's recorder.
type Decisions struct{ c *mongo.Collection }

// NewDecisions returns the database's record of decisions.
func NewDecisions(db *DB) *Decisions { return &Decisions{db.Collection(decisionsCollection)} }

// decisionDocument is a decision. Never changed.
type decisionDocument struct {
	ID       string        `bson:"_id"`
	At       time.Time     `bson:"at"`
	Version  int           `bson:"v"`
	Decision policy.Record `bson:"decision"`
}

// Record stores a decision durably before it returns nil. It does so outside the transaction that ctx may carry: a denial
// makes that end without effect, and must be on record all the same.
func (d *Decisions) Record(ctx context.Context, r policy.Record) error {
	ctx = mongo.NewSessionContext(ctx, nil)
	_, err := d.c.InsertOne(ctx, decisionDocument{r.ID, r.At, 1, r})
	return Fault(err)
}

// Get returns the decision of the id; NotFound if there is none.
func (d *Decisions) Get(ctx context.Context, id string) (policy.Record, error) {
	var doc decisionDocument
	err := d.c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&doc)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return policy.Record{}, fault.New(fault.NotFound, "", "there is no decision %s", id)
	}
	return doc.Decision, Fault(err)
}
