package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/strategic/internal/directive"
)

// goalDoc is a record as stored. Replaced whole, by compare-and-set on version; new optional fields may be added.
type goalDoc struct {
	ID         string                 `bson:"_id"`
	Schema     int                    `bson:"schema"`
	Tenant     contract.TenantID      `bson:"tenant"`
	Directives []contract.DirectiveID `bson:"directives"`
	Expires    *time.Time             `bson:"expires,omitempty"` // of the directive that ends first by the wall clock
	At         time.Time              `bson:"at"`
	Version    int64                  `bson:"version"`
	Record     directive.Record       `bson:"record"`
}

func (s *Stores) goalDoc(r directive.Record) goalDoc {
	d := goalDoc{ID: s.id(string(r.Goal.ID)), Schema: schemaOne, Tenant: s.o.Tenant, At: r.At, Version: r.Version, Record: r}
	for _, x := range r.Directives {
		d.Directives = append(d.Directives, x.ID)
		if x.State.Sent() && x.Order != nil && (d.Expires == nil || x.Order.Expires.Before(*d.Expires)) {
			d.Expires = &x.Order.Expires
		}
	}
	return d
}

func decodeRecord(raw bson.Raw) (directive.Record, error) {
	var d goalDoc
	if len(raw) == 0 {
		return d.Record, nil
	}
	err := decode(raw, &d)
	return d.Record, err
}

// Update implements directive.Store.
func (s *Stores) Update(ctx context.Context, id contract.GoalID, change func(*directive.Record) error) error {
	return s.inTx(ctx, func(ctx context.Context) error { return s.changeGoal(ctx, id, change) })
}

// changeGoal is Update within a transaction.
func (s *Stores) changeGoal(ctx context.Context, id contract.GoalID, change func(*directive.Record) error) error {
	c := s.o.DB.Collection(goals)
	raw, err := one(ctx, c, s.id(string(id)))
	if err != nil {
		return err
	}
	before, err := decodeRecord(raw)
	if err != nil {
		return err
	}
	after, err := decodeRecord(raw) // a copy that shares nothing
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
	doc := s.goalDoc(after)
	if err := replace(ctx, c, doc.ID, before.Version, doc); err != nil {
		return err
	}
	return s.o.Outbox.PutAll(ctx, s.news(before, after)...)
}

// news returns the directives that must be published because what was sent of them rose.
func (s *Stores) news(before, after directive.Record) []mongodb.Entry {
	var es []mongodb.Entry
	for i := range after.Directives {
		o := after.Directives[i].Order
		if o == nil {
			continue
		}
		if old, err := before.Directive(o.ID); err == nil && old.Order != nil && old.Order.Revision >= o.Revision {
			continue
		}
		es = append(es, s.entry("directive", contract.TypeStrategicDirective, o.ID, o.At, o))
	}
	return es
}

// Record implements directive.Store.
func (s *Stores) Record(ctx context.Context, id contract.GoalID) (directive.Record, error) {
	raw, err := one(ctx, s.o.DB.Collection(goals), s.id(string(id)))
	if err == nil && raw == nil {
		err = fault.New(fault.NotFound, "", "there is no goal %s", id)
	}
	if err != nil {
		return directive.Record{}, err
	}
	return decodeRecord(raw)
}

// Owner implements directive.Store.
func (s *Stores) Owner(ctx context.Context, id contract.DirectiveID) (contract.GoalID, error) {
	raw, err := s.o.DB.Collection(goals).FindOne(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "directives", Value: id}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", fault.New(fault.NotFound, "", "there is no directive %s", id)
	}
	if err != nil {
		return "", mongodb.Fault(err)
	}
	r, err := decodeRecord(raw)
	return r.Goal.ID, err
}

// Due implements directive.Store.
func (s *Stores) Due(ctx context.Context, at time.Time) ([]contract.GoalID, error) {
	rs, err := s.find(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "expires", Value: bson.D{{Key: "$lte", Value: at.UTC()}}}},
		options.Find().SetSort(bson.D{{Key: "tenant", Value: 1}, {Key: "expires", Value: 1}}))
	var ids []contract.GoalID
	for i := range rs {
		ids = append(ids, rs[i].Goal.ID)
	}
	return ids, err
}

// List returns records by goal id after a position, at most limit; a limit of 0 means all.
func (s *Stores) List(ctx context.Context, after string, limit int) ([]directive.Record, error) {
	filter := bson.D{{Key: "tenant", Value: s.o.Tenant}}
	if after != "" {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: s.id(after)}}})
	}
	return s.find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
}

// Since returns the records that changed at or after the instant, in the order of their changes.
func (s *Stores) Since(ctx context.Context, at time.Time) ([]directive.Record, error) {
	return s.find(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "at", Value: bson.D{{Key: "$gte", Value: at.UTC()}}}},
		options.Find().SetSort(bson.D{{Key: "tenant", Value: 1}, {Key: "at", Value: 1}}))
}

func (s *Stores) find(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]directive.Record, error) {
	cur, err := s.o.DB.Collection(goals).Find(ctx, filter, o)
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
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

// Republish publishes again what goes to a layer; everything this layer says goes to functional.
func (s *Stores) Republish(ctx context.Context, to contract.Layer) error {
	if to != contract.Functional {
		return nil
	}
	_, err := s.o.Outbox.Republish(ctx, func(topic, _, _ string) bool { return topic == contract.TopicStrategicDirectives })
	return err
}
