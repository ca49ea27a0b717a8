package mongodb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/strata-crm/strata/shared/httpx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	idempotencyCollection = "strata_idempotency"
	// claimTerm is after how long a claim whose owner neither finished nor released it may be taken over: longer than
	// any request may last.
	claimTerm = 5 * time.Minute
)

// Idempotency keeps the answers to requests with an Idempotency-Key; it is the [httpx.IdempotencyStore] of the services.
type Idempotency struct {
	db      *DB
	answers *mongo.Collection
}

var _ httpx.IdempotencyStore = (*Idempotency)(nil)

// NewIdempotency returns the store of the database.
func NewIdempotency(db *DB) *Idempotency {
	return &Idempotency{db: db, answers: db.Collection(idempotencyCollection)}
}

// idempotencyDocument is a claim, or with a status an answer. Changes allowed: new optional fields.
type idempotencyDocument struct {
	ID      string      `bson:"_id"`
	Hash    []byte      `bson:"hash"`
	Claimed time.Time   `bson:"claimed"`
	Expires time.Time   `bson:"expires"`
	Status  int         `bson:"status"`
	Header  http.Header `bson:"header"`
	Body    []byte      `bson:"body"`
	Version int         `bson:"v"`
}

func idempotencyID(key, scope string) string { return scope + "|" + key }

// Begin implements [httpx.IdempotencyStore].
func (s *Idempotency) Begin(ctx context.Context, key, scope string, requestHash []byte) (*httpx.StoredResponse, error) {
	for range 3 {
		claimed, err := s.claim(ctx, idempotencyID(key, scope), requestHash)
		if err != nil || claimed {
			return nil, err
		}
		stored, again, err := s.answer(ctx, idempotencyID(key, scope), requestHash)
		if !again {
			return stored, err
		}
	}
	return nil, httpx.ErrInProgress()
}

// claim takes the key if nobody has it, or its answer has expired, or its claim has been left.
func (s *Idempotency) claim(ctx context.Context, id string, hash []byte) (bool, error) {
	now := s.db.now().UTC()
	free := bson.D{{Key: "_id", Value: id}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "expires", Value: bson.D{{Key: "$lte", Value: now}}}},
		bson.D{{Key: "status", Value: 0}, {Key: "claimed", Value: bson.D{{Key: "$lte", Value: now.Add(-claimTerm)}}}},
	}}}
	mine := bson.D{{Key: "$set", Value: bson.D{{Key: "hash", Value: hash}, {Key: "claimed", Value: now},
		{Key: "expires", Value: now.Add(httpx.IdempotencyLife)}, {Key: "status", Value: 0},
		{Key: "header", Value: nil}, {Key: "body", Value: nil}, {Key: "v", Value: 1}}}}
	_, err := s.answers.UpdateOne(ctx, free, mine, options.UpdateOne().SetUpsert(true))
	if onlyDuplicates(codesOf(err)) { // somebody has it
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("mongodb: idempotency: claim: %w", Fault(err))
	}
	return true, nil
}

// answer reads what the owner of the key has stored; again says that the key has become free meanwhile.
func (s *Idempotency) answer(ctx context.Context, id string, hash []byte) (stored *httpx.StoredResponse, again bool, err error) {
	var d idempotencyDocument
	err = s.answers.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("mongodb: idempotency: read: %w", Fault(err))
	case !bytes.Equal(d.Hash, hash):
		return nil, false, httpx.ErrMismatch()
	case d.Status == 0:
		return nil, false, httpx.ErrInProgress()
	default:
		return &httpx.StoredResponse{Status: d.Status, Header: d.Header, Body: d.Body}, false, nil
	}
}

// Finish implements [httpx.IdempotencyStore].
func (s *Idempotency) Finish(ctx context.Context, key, scope string, r httpx.StoredResponse) error {
	id := bson.D{{Key: "_id", Value: idempotencyID(key, scope)}}
	var err error
	if r.Status == 0 {
		_, err = s.answers.DeleteOne(ctx, append(id, bson.E{Key: "status", Value: 0}))
	} else {
		_, err = s.answers.UpdateOne(ctx, id, bson.D{{Key: "$set", Value: bson.D{
			{Key: "status", Value: r.Status}, {Key: "header", Value: r.Header}, {Key: "body", Value: r.Body}}}})
	}
	if err != nil {
		return fmt.Errorf("mongodb: idempotency: finish: %w", Fault(err))
	}
	return nil
}
