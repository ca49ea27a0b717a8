package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const onceCollection = "strata_once"

// Once remembers that something was done in this database: a new or wiped database has done nothing.
type Once struct {
	db   *DB
	name string
}

// NewOnce returns the memory of the thing called name.
func NewOnce(db *DB, name string) *Once { return &Once{db, name} }

// Done reports whether it was done.
func (o *Once) Done(ctx context.Context) (bool, error) {
	n, err := o.db.Collection(onceCollection).CountDocuments(ctx, bson.D{{Key: "_id", Value: o.name}})
	return n > 0, Fault(err)
}

// Set records that it was done. Setting twice does nothing more.
func (o *Once) Set(ctx context.Context) error {
	_, err := o.db.Collection(onceCollection).UpdateOne(ctx, bson.D{{Key: "_id", Value: o.name}},
		bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "schema", Value: 1}}}}, options.UpdateOne().SetUpsert(true))
	return Fault(err)
}
