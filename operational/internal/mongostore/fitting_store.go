package mongostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const fitsCollection = "fits"

// FittingIndexes are the indexes of the lines of fitted models.
func FittingIndexes() []mongodb.Index {
	return []mongodb.Index{{Collection: fitsCollection, Name: "tenant", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "_id", Value: 1}}}}
}

// fitsDoc is a line of fits. Replaced whole, by compare-and-set on the revision.
type fitsDoc struct {
	ID       string            `bson:"_id"` // tenant|subject
	V        int               `bson:"v"`
	Tenant   contract.TenantID `bson:"tenant"`
	Revision int64             `bson:"revision"` // 1, 2, …
	Record   string            `bson:"record"`   // JSON of fitting.Record
}

// Fits implements fitting.Store.
type Fits struct {
	tenant contract.TenantID
	c      *mongo.Collection
}

var _ fitting.Store = (*Fits)(nil)

// NewFits returns the store of the database.
func NewFits(t contract.TenantID, db *mongodb.DB) *Fits {
	return &Fits{t, db.Collection(fitsCollection)}
}

// Line implements fitting.Store.
func (s *Fits) Line(ctx context.Context, subject string) (fitting.Record, error) {
	var d fitsDoc
	err := s.c.FindOne(ctx, byID(id(s.tenant, subject))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return fitting.Record{}, nil
	}
	if err != nil {
		return fitting.Record{}, fmt.Errorf("fits of %s: %w", subject, mongodb.Fault(err))
	}
	return d.record()
}

func (d *fitsDoc) record() (fitting.Record, error) {
	var r fitting.Record
	if err := json.Unmarshal([]byte(d.Record), &r); err != nil {
		return r, fmt.Errorf("stored fits %s: %w", d.ID, err)
	}
	r.Version = d.Revision
	return r, nil
}

// PutLine implements fitting.Store.
func (s *Fits) PutLine(ctx context.Context, r fitting.Record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the fits of %s: %w", r.Subject.ID(), err)
	}
	d := fitsDoc{ID: id(s.tenant, r.Subject.ID()), V: version, Tenant: s.tenant, Revision: r.Version + 1, Record: string(raw)}
	moved := fault.New(fault.Conflict, fault.RevisionConflict, "the fits of %s changed meanwhile", r.Subject.ID())
	if r.Version == 0 {
		_, err := s.c.InsertOne(ctx, d)
		if fault.Is(mongodb.Fault(err), fault.Conflict) {
			return moved
		}
		return mongodb.Fault(err)
	}
	res, err := s.c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: d.ID}, {Key: "revision", Value: r.Version}}, d)
	if err != nil {
		return mongodb.Fault(err)
	}
	if res.MatchedCount == 0 {
		return moved
	}
	return nil
}

// Lines implements fitting.Store.
func (s *Fits) Lines(ctx context.Context) ([]fitting.Record, error) {
	var docs []fitsDoc
	if err := all(ctx, s.c, bson.D{{Key: "tenant", Value: s.tenant}}, &docs, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})); err != nil {
		return nil, fmt.Errorf("fits: %w", err)
	}
	out := make([]fitting.Record, len(docs))
	for i := range docs {
		var err error
		if out[i], err = docs[i].record(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
