package mongostore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const directivesCollection = "directives"

// DirectiveIndexes are the indexes of the directives.
func DirectiveIndexes() []mongodb.Index {
	return []mongodb.Index{
		{Collection: directivesCollection, Name: "kind", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "kind", Value: 1}, {Key: "number", Value: -1}}},
	}
}

// Kinds of records.
const (
	kindOrder      = "order"
	kindGovernance = "governance"
)

// directiveDoc is a record. Replaced whole, by compare-and-set on version. from and until say when it was in force, over
// all its revisions; absent while it never was.
type directiveDoc struct {
	ID      string            `bson:"_id"` // tenant|directive
	V       int               `bson:"v"`
	Tenant  contract.TenantID `bson:"tenant"`
	Kind    string            `bson:"kind"`
	Number  int               `bson:"number,omitempty"` // of a governance directive: its version
	Version int64             `bson:"version"`
	From    *time.Time        `bson:"from,omitempty"`
	Until   *time.Time        `bson:"until,omitempty"`
	Record  directive.Record  `bson:"record"`
}

// Directives implements directive.Store and ingest.Directives.
type Directives struct {
	tenant contract.TenantID
	db     *mongodb.DB
	c      *mongo.Collection
	outbox *mongodb.Outbox
	now    func() time.Time
	newID  func() string
}

var (
	_ directive.Store   = (*Directives)(nil)
	_ ingest.Directives = (*Directives)(nil)
)

// NewDirectives returns the store of the database.
func NewDirectives(t contract.TenantID, db *mongodb.DB, o *mongodb.Outbox, now func() time.Time, newID func() string) *Directives {
	return &Directives{t, db, db.Collection(directivesCollection), o, now, newID}
}

// Update implements directive.Store.
func (s *Directives) Update(ctx context.Context, id contract.DirectiveID, change func(*directive.Record) error) error {
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		var before, after directiveDoc
		err := s.read(ctx, id, &before, &after) // a copy of its own to change
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err := change(&after.Record); err != nil {
			return err
		}
		return s.put(ctx, before, after)
	})
	if err == nil {
		s.outbox.Wake()
	}
	return err
}

func (s *Directives) put(ctx context.Context, before, after directiveDoc) error {
	if same, err := sameRecord(before.Record, after.Record); err != nil || same {
		return err
	}
	r := &after.Record
	after.ID, after.V, after.Tenant, after.Kind = id(s.tenant, string(r.ID())), version, s.tenant, kindOrder
	if r.Governance != nil {
		after.Kind, after.Number = kindGovernance, r.Governance.Version
	}
	after.Version = before.Version + 1
	after.validity(&before.Record)
	var err error
	if before.Version == 0 {
		_, err = s.c.InsertOne(ctx, after)
	} else {
		var res *mongo.UpdateResult
		res, err = s.c.ReplaceOne(ctx, append(byID(after.ID), bson.E{Key: "version", Value: before.Version}), after)
		if err == nil && res.MatchedCount == 0 {
			return fault.New(fault.Transient, "", "directive %s changed meanwhile", after.ID)
		}
	}
	if err != nil {
		return mongodb.Fault(err)
	}
	if r.Answer.AckRevision <= before.Record.Answer.AckRevision {
		return nil
	}
	return s.outbox.Put(ctx, s.answer(r))
}

// validity notes when the directive was in force. An end that is told again does not move.
func (d *directiveDoc) validity(before *directive.Record) {
	r := &d.Record
	switch {
	case r.Running():
		if d.From == nil {
			from := r.Order.ValidFrom
			d.From = &from
		}
		until := r.Order.Expires
		d.Until = &until
	case before.Running():
		if r.Answer.At.Before(*d.Until) {
			until := r.Answer.At
			d.Until = &until
		}
	}
}

func (s *Directives) answer(r *directive.Record) mongodb.Entry {
	key := string(r.ID())
	correlation := key
	if r.Order != nil {
		correlation = string(r.Order.Strategic)
	}
	return mongodb.Entry{Topic: contract.TopicOperationalAcks, Key: key, Entity: "acknowledgement", Payload: &r.Answer, Envelope: contract.Envelope{
		ID: s.newID(), Source: contract.Operational, Type: contract.TypeOperationalAck, Subject: key, Time: r.Answer.At,
		Tenant: s.tenant, Correlation: correlation, Causation: key,
	}}
}

func sameRecord(a, b directive.Record) (bool, error) {
	x, err := mongodb.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("encode directive: %w", err)
	}
	y, err := mongodb.Marshal(b)
	if err != nil {
		return false, fmt.Errorf("encode directive: %w", err)
	}
	return bytes.Equal(x, y), nil
}

// read reads a record, into as many values as are given.
func (s *Directives) read(ctx context.Context, directive contract.DirectiveID, into ...*directiveDoc) error {
	found := s.c.FindOne(ctx, byID(id(s.tenant, string(directive))))
	for _, d := range into {
		err := found.Decode(d)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return fault.New(fault.NotFound, "", "there is no directive %s", directive)
		}
		if err != nil {
			return mongodb.Fault(err)
		}
		d.Record.Version = d.Version
	}
	return nil
}

// Get returns a record, or fault.NotFound.
func (s *Directives) Get(ctx context.Context, id contract.DirectiveID) (directive.Record, error) {
	var d directiveDoc
	err := s.read(ctx, id, &d)
	return d.Record, err
}

// All implements directive.Store.
func (s *Directives) All(ctx context.Context) ([]directive.Record, error) { return s.find(ctx, "", 0) }

// List returns at most limit records of operational directives after an id, by id.
func (s *Directives) List(ctx context.Context, after contract.DirectiveID, limit int) ([]directive.Record, error) {
	return s.find(ctx, after, limit)
}

// find returns the records of operational directives after an id; all if limit is 0.
func (s *Directives) find(ctx context.Context, after contract.DirectiveID, limit int) ([]directive.Record, error) {
	var docs []directiveDoc
	filter := bson.D{{Key: "tenant", Value: s.tenant}, {Key: "kind", Value: kindOrder}}
	if after != "" {
		filter = append(filter, bson.E{Key: "_id", Value: op("$gt", id(s.tenant, string(after)))})
	}
	if err := all(ctx, s.c, filter, &docs, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit))); err != nil {
		return nil, fmt.Errorf("directives: %w", err)
	}
	records := make([]directive.Record, len(docs))
	for i := range docs {
		records[i] = docs[i].Record
		records[i].Version = docs[i].Version
	}
	return records, nil
}

// Repeat implements directive.Store.
func (s *Directives) Repeat(ctx context.Context, id contract.DirectiveID) error {
	_, err := s.outbox.Republish(ctx, func(topic, key, _ string) bool {
		return topic == contract.TopicOperationalAcks && key == string(id)
	})
	s.outbox.Wake()
	return err
}

// Governance returns the governance directive of the highest version, whatever its standing, or fault.NotFound.
func (s *Directives) Governance(ctx context.Context) (contract.GovernanceDirective, error) {
	var d directiveDoc
	filter := bson.D{{Key: "tenant", Value: s.tenant}, {Key: "kind", Value: kindGovernance}}
	err := s.c.FindOne(ctx, filter, options.FindOne().SetSort(bson.D{{Key: "number", Value: -1}})).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return contract.GovernanceDirective{}, fault.New(fault.NotFound, "", "no governance directive is in force: two executives approve one in the strategic layer")
	}
	if err != nil {
		return contract.GovernanceDirective{}, fmt.Errorf("governance: %w", mongodb.Fault(err))
	}
	return *d.Record.Governance, nil
}

// Validity implements ingest.Directives.
func (s *Directives) Validity(ctx context.Context, ids []contract.DirectiveID) (map[contract.DirectiveID]ingest.Validity, error) {
	keys := make([]string, len(ids))
	for i, d := range ids {
		keys[i] = id(s.tenant, string(d))
	}
	var docs []struct {
		ID    string     `bson:"_id"`
		From  *time.Time `bson:"from"`
		Until *time.Time `bson:"until"`
	}
	instants := options.Find().SetProjection(bson.D{{Key: "from", Value: 1}, {Key: "until", Value: 1}})
	if err := all(ctx, s.c, in("_id", keys), &docs, instants); err != nil {
		return nil, fmt.Errorf("validity of directives: %w", err)
	}
	out := map[contract.DirectiveID]ingest.Validity{}
	for _, d := range docs {
		if d.From != nil {
			out[contract.DirectiveID(strings.TrimPrefix(d.ID, id(s.tenant)+"|"))] = ingest.Validity{From: d.From.UTC(), Until: d.Until.UTC()}
		}
	}
	return out, nil
}

// Unanswered returns how many directives have neither been accepted nor refused.
func (s *Directives) Unanswered(ctx context.Context) (int64, error) {
	n, err := s.c.CountDocuments(ctx, bson.D{
		{Key: "tenant", Value: s.tenant}, {Key: "kind", Value: kindOrder}, {Key: "record.answer.state", Value: contract.Received},
	})
	return n, mongodb.Fault(err)
}
