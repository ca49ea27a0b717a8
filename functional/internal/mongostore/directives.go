package mongostore

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// recordDoc is a record as stored. Replaced whole, by compare-and-set on version.
type recordDoc struct {
	ID      string                 `bson:"_id"`
	Schema  int                    `bson:"schema"`
	Tenant  contract.TenantID      `bson:"tenant"`
	Kind    string                 `bson:"kind"`             // strategic or governance
	Number  int                    `bson:"number,omitempty"` // of a governance directive: its version
	Orders  []contract.DirectiveID `bson:"orders"`           // ids that answers from below may name
	Version int64                  `bson:"version"`
	Record  directive.Record       `bson:"record"`
}

const (
	kindStrategic  = "strategic"
	kindGovernance = "governance"
)

func (s *Stores) recordDoc(r directive.Record) recordDoc {
	d := recordDoc{ID: s.id(string(r.ID())), Schema: 1, Tenant: s.o.Tenant, Kind: kindStrategic, Version: r.Version, Record: r}
	if r.Governance != nil {
		d.Kind, d.Number, d.Orders = kindGovernance, r.Governance.Version, []contract.DirectiveID{r.Governance.ID}
	}
	for _, o := range r.Orders {
		d.Orders = append(d.Orders, o.ID)
	}
	for i := range r.Trials {
		d.Orders = append(d.Orders, r.Trials[i].Order.ID)
	}
	return d
}

// Update implements directive.Store.
func (s *Stores) Update(ctx context.Context, id contract.DirectiveID, change func(*directive.Record) error) error {
	return s.inTx(ctx, func(ctx context.Context) error {
		before, raw, err := s.read(ctx, id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		var after directive.Record
		if raw != nil {
			if after, err = decodeRecord(raw); err != nil {
				return err
			}
		}
		if err := change(&after); err != nil {
			return err
		}
		return s.put(ctx, before, after)
	})
}

func (s *Stores) put(ctx context.Context, before, after directive.Record) error {
	if contract.Same(before, after) {
		return nil
	}
	after.Version = before.Version + 1
	doc := s.recordDoc(after)
	c := s.o.DB.Collection(directives)
	var err error
	if before.Version == 0 {
		_, err = c.InsertOne(ctx, doc)
	} else {
		var res *mongo.UpdateResult
		res, err = c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: doc.ID}, {Key: "version", Value: before.Version}}, doc)
		if err == nil && res.MatchedCount == 0 {
			return fault.New(fault.Transient, "", "record %s changed meanwhile", doc.ID)
		}
	}
	if err != nil {
		return mongodb.Fault(err)
	}
	return s.o.Outbox.PutAll(ctx, s.news(before, after)...)
}

// news returns what must be published because its revision rose.
func (s *Stores) news(before, after directive.Record) []mongodb.Entry {
	var es []mongodb.Entry
	id := after.ID()
	if after.Answer.AckRevision > before.Answer.AckRevision {
		es = append(es, s.entry(contract.TopicFunctionalAcks, string(id), "acknowledgement", contract.TypeFunctionalAck, id, id, &after.Answer))
	}
	if g := after.Governance; g != nil && (before.Governance == nil || g.Revision > before.Governance.Revision) {
		es = append(es, s.entry(contract.TopicFunctionalDirectives, string(id), "governance", contract.TypeGovernance, id, id, g))
	}
	old := map[contract.DirectiveID]int64{}
	for _, o := range orders(&before) {
		old[o.ID] = o.Revision
	}
	for _, o := range orders(&after) {
		if o.Revision > old[o.ID] {
			es = append(es, s.entry(contract.TopicFunctionalDirectives, string(o.ID), "directive", contract.TypeOperationalDirective, id, id, o))
		}
	}
	return es
}

// orders returns what a record has ordered below, trials included.
func orders(r *directive.Record) []*contract.OperationalDirective {
	var os []*contract.OperationalDirective
	for i := range r.Orders {
		os = append(os, &r.Orders[i])
	}
	for i := range r.Trials {
		os = append(os, &r.Trials[i].Order)
	}
	return os
}

func (s *Stores) read(ctx context.Context, id contract.DirectiveID) (directive.Record, bson.Raw, error) {
	raw, err := s.o.DB.Collection(directives).FindOne(ctx, bson.D{{Key: "_id", Value: s.id(string(id))}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return directive.Record{}, nil, fault.New(fault.NotFound, "", "there is no directive %s", id)
	}
	if err != nil {
		return directive.Record{}, nil, mongodb.Fault(err)
	}
	r, err := decodeRecord(raw)
	return r, raw, err
}

func decodeRecord(raw bson.Raw) (directive.Record, error) {
	var d recordDoc
	if err := decode(raw, &d); err != nil {
		return directive.Record{}, err
	}
	d.Record.Version = d.Version
	return d.Record, nil
}

func decode(raw bson.Raw, v any) error {
	if err := mongodb.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("decode stored document: %w", err)
	}
	return nil
}

// Get implements directive.Store.
func (s *Stores) Get(ctx context.Context, id contract.DirectiveID) (directive.Record, error) {
	r, _, err := s.read(ctx, id)
	return r, err
}

// Owner implements directive.Store.
func (s *Stores) Owner(ctx context.Context, operational contract.DirectiveID) (contract.DirectiveID, error) {
	raw, err := s.o.DB.Collection(directives).FindOne(ctx, bson.D{
		{Key: "tenant", Value: s.o.Tenant}, {Key: "orders", Value: operational},
	}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", fault.New(fault.NotFound, "", "no directive issued %s", operational)
	}
	if err != nil {
		return "", mongodb.Fault(err)
	}
	r, err := decodeRecord(raw)
	return r.ID(), err
}

// Repeat implements directive.Store.
func (s *Stores) Repeat(ctx context.Context, id contract.DirectiveID) error {
	_, err := s.o.Outbox.Republish(ctx, func(topic, key, _ string) bool {
		return topic == contract.TopicFunctionalAcks && key == string(id)
	})
	s.o.Outbox.Wake()
	return err
}

// Governance implements directive.Store.
func (s *Stores) Governance(ctx context.Context) (contract.GovernanceDirective, error) {
	return s.highest(ctx, bson.E{Key: "record.governance.order.standing", Value: contract.InForce})
}

// LatestGovernance implements govern.Governance.
func (s *Stores) LatestGovernance(ctx context.Context) (contract.GovernanceDirective, error) {
	return s.highest(ctx)
}

// highest returns the governance directive of the highest version among those that the conditions leave.
func (s *Stores) highest(ctx context.Context, conditions ...bson.E) (contract.GovernanceDirective, error) {
	filter := append(bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "kind", Value: kindGovernance}}, conditions...)
	raw, err := s.o.DB.Collection(directives).FindOne(ctx, filter, options.FindOne().SetSort(bson.D{{Key: "number", Value: -1}})).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return contract.GovernanceDirective{}, fault.New(fault.NotFound, "", "no governance directive is in force: two executives approve one in the strategic layer")
	}
	if err != nil {
		return contract.GovernanceDirective{}, mongodb.Fault(err)
	}
	r, err := decodeRecord(raw)
	if err != nil {
		return contract.GovernanceDirective{}, err
	}
	return *r.Governance, nil
}

// List returns the records after a position, by id, at most limit; governance directives are left out.
func (s *Stores) List(ctx context.Context, after string, limit int) ([]directive.Record, error) {
	filter := bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "kind", Value: kindStrategic}}
	if after != "" {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: s.id(after)}}})
	}
	cur, err := s.o.DB.Collection(directives).Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	defer cur.Close(ctx)
	var rs []directive.Record
	for cur.Next(ctx) {
		r, err := decodeRecord(cur.Current)
		if err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, mongodb.Fault(cur.Err())
}

// Drafted implements directive.Store.
func (s *Stores) Drafted(ctx context.Context) ([]contract.DirectiveID, error) {
	cur, err := s.o.DB.Collection(directives).Find(ctx, bson.D{
		{Key: "tenant", Value: s.o.Tenant}, {Key: "record.answer.state", Value: contract.Received}, {Key: "record.plan.state", Value: plan.Drafted},
	}, options.Find().SetProjection(bson.D{{Key: "record.answer.directive", Value: 1}}))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []recordDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	var ids []contract.DirectiveID
	for _, d := range docs {
		ids = append(ids, d.Record.Answer.Directive)
	}
	return ids, nil
}

// Unanswered returns how many directives have neither been accepted nor refused.
func (s *Stores) Unanswered(ctx context.Context) (int64, error) {
	n, err := s.o.DB.Collection(directives).CountDocuments(ctx, bson.D{
		{Key: "tenant", Value: s.o.Tenant}, {Key: "record.answer.state", Value: contract.Received},
	})
	return n, mongodb.Fault(err)
}
