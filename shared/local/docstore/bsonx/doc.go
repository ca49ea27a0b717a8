// Package bsonx works on raw BSON: it iterates, looks up, builds, compares and encodes values without decoding
// documents. It owns MongoDB's comparison order and the order-preserving key encoding made of it; it does not own
// query, update or expression semantics.
//
// A missing field is the zero [bson.RawValue]. Input is trusted to be valid BSON: validate what comes off the wire
// once, with bson.Raw.Validate, before it reaches this package.
package bsonx
