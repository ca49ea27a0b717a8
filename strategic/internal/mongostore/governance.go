package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	gov "github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/variable"
)

// governanceDoc is the record of all versions. Replaced whole, by compare-and-set on version.
type governanceDoc struct {
	ID      string            `bson:"_id"`
	Schema  int               `bson:"schema"`
	Tenant  contract.TenantID `bson:"tenant"`
	At      time.Time         `bson:"at"`
	Version int64             `bson:"version"`
	Record  gov.Record        `bson:"record"`
}

// Govern implements governance.Store.
func (s *Stores) Govern(ctx context.Context, change func(*gov.Record) error) error {
	return s.inTx(ctx, func(ctx context.Context) error {
		before, err := s.Governance(ctx)
		if err != nil {
			return err
		}
		after, err := s.Governance(ctx) // a copy that shares nothing
		if err != nil {
			return err
		}
		if err := change(&after); err != nil {
			return err
		}
		if unchanged, err := same(before, after); err != nil || unchanged {
			return err
		}
		after.Version, after.At = before.Version+1, s.now()
		doc := governanceDoc{s.id(string(gov.ID)), schemaOne, s.o.Tenant, after.At, after.Version, after}
		if err := replace(ctx, s.o.DB.Collection(governed), doc.ID, before.Version, doc); err != nil {
			return err
		}
		return s.sendGovernance(ctx, before, after)
	})
}

func (s *Stores) sendGovernance(ctx context.Context, before, after gov.Record) error {
	sent := after.Sent()
	if old := before.Sent(); sent == nil || old != nil && old.Order.Revision >= sent.Order.Revision {
		return nil
	}
	return s.o.Outbox.Put(ctx, s.entry(governance, contract.TypeGovernance, gov.ID, sent.Order.At, sent.Order))
}

// Governance implements governance.Store.
func (s *Stores) Governance(ctx context.Context) (gov.Record, error) {
	raw, err := one(ctx, s.o.DB.Collection(governed), s.id(string(gov.ID)))
	if err != nil || raw == nil {
		return gov.Record{}, err
	}
	var d governanceDoc
	err = decode(raw, &d)
	return d.Record, err
}

// variableDoc is a variable of the company's own. Never changed.
type variableDoc struct {
	ID       string            `bson:"_id"`
	Schema   int               `bson:"schema"`
	Tenant   contract.TenantID `bson:"tenant"`
	Variable variable.Variable `bson:"variable"`
}

// AddVariable implements variable.Store. It is in a transaction because an Idempotency-Key knows of no other write.
func (s *Stores) AddVariable(ctx context.Context, v variable.Variable) error {
	return s.o.DB.Tx(ctx, func(ctx context.Context) error {
		_, err := s.o.DB.Collection(variables).InsertOne(ctx, variableDoc{s.id(string(v.ID)), schemaOne, s.o.Tenant, v})
		if err = mongodb.Fault(err); fault.Is(err, fault.Conflict) {
			return fault.New(fault.Conflict, "", "there is a variable %s already: choose another id", v.ID)
		}
		return err
	})
}

// OwnVariables implements variable.Store.
func (s *Stores) OwnVariables(ctx context.Context) ([]variable.Variable, error) {
	cur, err := s.o.DB.Collection(variables).Find(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []variableDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	var vs []variable.Variable
	for _, d := range docs {
		vs = append(vs, d.Variable)
	}
	return vs, nil
}
