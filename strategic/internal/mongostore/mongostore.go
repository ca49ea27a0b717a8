// Package mongostore keeps everything the strategic layer stores, in MongoDB. It decides nothing.
//
// Collections of database strata_strategic; every _id is tenant|id:
//
//	goals       one record per goal: the goal, its directives, answers, information; changed by compare-and-set on its version
//	insights    one record per insight: what came, what became of it, on which evidence; changed likewise
//	governance  one record per tenant: every version of the governance directive; changed likewise
//	variables   the company's own strategic variables, never changed
//
// Policy decisions, messages set aside, the outbox and idempotency keys are in package mongodb's own collections.
package mongostore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const (
	goals      = "goals"
	insights   = "insights"
	governed   = "governance"
	variables  = "variables"
	schemaOne  = 1
	governance = "governance" // the outbox's entity
)

// Indexes returns the indexes that the stores rely on.
func Indexes() []mongodb.Index {
	return append(insightIndexes(), []mongodb.Index{
		{Collection: goals, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "directives", Value: 1}}},
		{Collection: goals, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "at", Value: 1}}},
		{Collection: goals, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "expires", Value: 1}}},
		{Collection: variables, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "_id", Value: 1}}},
	}...)
}

// Migrations returns the numbered changes of the database so far: none.
func Migrations() []mongodb.Migration { return nil }

// Options are what the stores need. All but Changed are required.
type Options struct {
	Tenant  contract.TenantID
	DB      *mongodb.DB
	Outbox  *mongodb.Outbox
	Now     func() time.Time
	NewID   func() string
	Changed func() // called after each commit; may be nil
}

// Stores is every store of the strategic layer.
type Stores struct{ o Options }

// New returns the stores, or an error naming what is missing.
func New(o Options) (*Stores, error) {
	if !o.Tenant.Valid() || o.DB == nil || o.Outbox == nil || o.Now == nil || o.NewID == nil {
		return nil, errors.New("strategic stores: tenant, database, outbox, now and newID are required")
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return &Stores{o}, nil
}

// now returns the wall clock at the precision that is stored.
func (s *Stores) now() time.Time { return s.o.Now().UTC().Truncate(time.Millisecond) }

func (s *Stores) id(id string) string { return s.o.Tenant.Key(id) }

// inTx runs fn in a transaction, and wakes the relay and whoever watches when it has committed.
func (s *Stores) inTx(ctx context.Context, fn func(context.Context) error) error {
	if err := s.o.DB.Tx(ctx, fn); err != nil {
		return err
	}
	s.o.Outbox.Wake()
	s.o.Changed()
	return nil
}

// entry returns what is to be published for one directive.
func (s *Stores) entry(entity, kind string, id contract.DirectiveID, at time.Time, p contract.Payload) mongodb.Entry {
	return mongodb.Entry{Topic: contract.TopicStrategicDirectives, Key: string(id), Entity: entity, Payload: p, Envelope: contract.Envelope{
		ID: s.o.NewID(), Source: contract.Strategic, Type: kind, Subject: string(id), Time: at, Tenant: s.o.Tenant, Correlation: string(id), Causation: string(id),
	}}
}

func decode(raw bson.Raw, v any) error {
	if err := mongodb.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("decode a stored document: %w", err)
	}
	return nil
}

// same reports whether two values would be stored alike. It compares JSON, in which maps have one order.
func same(a, b any) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("compare documents: %w", err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		return false, fmt.Errorf("compare documents: %w", err)
	}
	return bytes.Equal(x, y), nil
}

// replace writes a document by compare-and-set on its version; 0 means that there was none.
func replace(ctx context.Context, c *mongo.Collection, id string, before int64, doc any) error {
	if before == 0 {
		_, err := c.InsertOne(ctx, doc)
		return mongodb.Fault(err)
	}
	res, err := c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "version", Value: before}}, doc)
	if err == nil && res.MatchedCount == 0 {
		return fault.New(fault.Transient, "", "%s changed meanwhile: try again", id)
	}
	return mongodb.Fault(err)
}

// one returns the raw document of an id; nil where there is none.
func one(ctx context.Context, c *mongo.Collection, id string) (bson.Raw, error) {
	raw, err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return raw, mongodb.Fault(err)
}
