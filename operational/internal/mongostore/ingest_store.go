package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Fences implements ingest.Fences and ingest.Epochs.
type Fences struct {
	db          *mongodb.DB
	log, fences *mongo.Collection
}

// NewFences returns the store of the database.
func NewFences(db *mongodb.DB) *Fences {
	return &Fences{db: db, log: db.Collection(logCollection), fences: db.Collection(fencesCollection)}
}

var (
	_ ingest.Fences = (*Fences)(nil)
	_ ingest.Epochs = (*Fences)(nil)
)

// IngestGroup is the consumer group of ingest; its offsets at the broker are a hint for lag tools only.
const IngestGroup = "strata-operational-ingest"

const logID = IngestGroup + "/" + contract.TopicEvents

type logDoc struct {
	ID      string `bson:"_id"`
	Epoch   int64  `bson:"epoch"`
	Cluster string `bson:"cluster"`
}

type holeDoc struct {
	From int64     `bson:"from"`
	To   int64     `bson:"to"`
	At   time.Time `bson:"at"`
}

// fenceDoc is a fence; its next only grows.
type fenceDoc struct {
	ID          string    `bson:"_id"` // group/topic/partition/epoch
	V           int       `bson:"v"`
	Epoch       int64     `bson:"epoch"`
	Partition   int       `bson:"partition"`
	Next        int64     `bson:"next"`
	Removed     int64     `bson:"removed"`
	Duplicate   int64     `bson:"duplicate"`
	Quarantined int64     `bson:"quarantined"`
	Suppressed  int64     `bson:"suppressed"`
	NotInForce  int64     `bson:"notInForce"`
	Lost        int64     `bson:"lost"`
	Holes       []holeDoc `bson:"holes,omitempty"`
}

func (d *fenceDoc) fence() ingest.Fence {
	f := ingest.Fence{Epoch: d.Epoch, Partition: d.Partition, Next: d.Next, Counts: ingest.Counts{Removed: d.Removed, Duplicate: d.Duplicate,
		Quarantined: d.Quarantined, Suppressed: d.Suppressed, NotInForce: d.NotInForce, Lost: d.Lost}}
	for _, h := range d.Holes {
		f.Holes = append(f.Holes, ingest.Hole{From: h.From, To: h.To, At: h.At.UTC()})
	}
	return f
}

func fenceID(epoch int64, partition int) string {
	return fmt.Sprintf("%s/%d/%d", logID, partition, epoch)
}

// Adopt implements ingest.Fences.
func (s *Fences) Adopt(ctx context.Context, clusterID string) (ingest.Log, error) {
	var d logDoc
	err := mongodb.Fault(s.log.FindOne(ctx, byID(logID)).Decode(&d))
	if fault.Is(err, fault.NotFound) {
		_, err = s.log.UpdateOne(ctx, byID(logID), bson.D{{Key: "$setOnInsert", Value: logDoc{ID: logID, Epoch: 1, Cluster: clusterID}}}, options.UpdateOne().SetUpsert(true))
		if err = mongodb.Fault(err); err == nil || fault.Is(err, fault.Conflict) { // another partition's reader was first
			err = mongodb.Fault(s.log.FindOne(ctx, byID(logID)).Decode(&d))
		}
	}
	if err != nil {
		return ingest.Log{}, fmt.Errorf("events log: %w", err)
	}
	return ingest.Log{Epoch: d.Epoch, ClusterID: d.Cluster}, nil
}

// Current returns the log that is being ingested; false if none ever was.
func (s *Fences) Current(ctx context.Context) (ingest.Log, bool, error) {
	var d logDoc
	err := mongodb.Fault(s.log.FindOne(ctx, byID(logID)).Decode(&d))
	if fault.Is(err, fault.NotFound) {
		return ingest.Log{}, false, nil
	}
	return ingest.Log{Epoch: d.Epoch, ClusterID: d.Cluster}, err == nil, err
}

// Begin implements ingest.Epochs.
func (s *Fences) Begin(ctx context.Context, clusterID string) (ingest.Log, error) {
	var log ingest.Log
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		current, err := s.Adopt(ctx, clusterID)
		if err != nil {
			return err
		}
		log = ingest.Log{Epoch: current.Epoch + 1, ClusterID: clusterID}
		_, err = s.log.UpdateOne(ctx, bson.D{{Key: "_id", Value: logID}, {Key: "epoch", Value: current.Epoch}},
			set(bson.D{{Key: "epoch", Value: log.Epoch}, {Key: "cluster", Value: clusterID}}))
		return mongodb.Fault(err)
	})
	return log, err
}

// Open implements ingest.Fences.
func (s *Fences) Open(ctx context.Context, epoch int64, partition int) (ingest.Fence, error) {
	var d fenceDoc
	key := fenceID(epoch, partition)
	err := mongodb.Fault(s.fences.FindOne(ctx, byID(key)).Decode(&d))
	if fault.Is(err, fault.NotFound) {
		d = fenceDoc{ID: key, V: version, Epoch: epoch, Partition: partition}
		_, err = s.fences.UpdateOne(ctx, byID(key), bson.D{{Key: "$setOnInsert", Value: d}}, options.UpdateOne().SetUpsert(true))
		if err = mongodb.Fault(err); err == nil || fault.Is(err, fault.Conflict) {
			err = mongodb.Fault(s.fences.FindOne(ctx, byID(key)).Decode(&d))
		}
	}
	if err != nil {
		return ingest.Fence{}, fmt.Errorf("fence of partition %d: %w", partition, err)
	}
	return d.fence(), nil
}

// Advance implements ingest.Fences.
func (s *Fences) Advance(ctx context.Context, epoch int64, partition int, first, next int64) (bool, error) {
	res, err := s.fences.UpdateOne(ctx, bson.D{{Key: "_id", Value: fenceID(epoch, partition)}, {Key: "next", Value: first}}, set(bson.D{{Key: "next", Value: next}}))
	if err != nil {
		return false, fmt.Errorf("advance the fence of partition %d: %w", partition, mongodb.Fault(err))
	}
	return res.MatchedCount == 1, nil
}

// Add implements ingest.Fences.
func (s *Fences) Add(ctx context.Context, epoch int64, partition int, c ingest.Counts, h *ingest.Hole) error {
	update := bson.D{{Key: "$inc", Value: bson.D{
		{Key: "removed", Value: c.Removed}, {Key: "duplicate", Value: c.Duplicate}, {Key: "quarantined", Value: c.Quarantined},
		{Key: "suppressed", Value: c.Suppressed}, {Key: "notInForce", Value: c.NotInForce}, {Key: "lost", Value: c.Lost}}}}
	if h != nil {
		update = append(update, bson.E{Key: "$push", Value: bson.D{{Key: "holes", Value: holeDoc(*h)}}})
	}
	_, err := s.fences.UpdateOne(ctx, byID(fenceID(epoch, partition)), update)
	return mongodb.Fault(err)
}

// All implements ingest.Fences.
func (s *Fences) All(ctx context.Context) ([]ingest.Fence, error) {
	var docs []fenceDoc
	if err := all(ctx, s.fences, bson.D{}, &docs, options.Find().SetSort(bson.D{{Key: "epoch", Value: 1}, {Key: "partition", Value: 1}})); err != nil {
		return nil, fmt.Errorf("fences: %w", err)
	}
	out := make([]ingest.Fence, len(docs))
	for i := range docs {
		out[i] = docs[i].fence()
	}
	return out, nil
}
