// Package mongodb is how the three services use MongoDB: connecting with the concerns that make an acknowledged write
// final, transactions that are retried and whose errors have a fault kind, the one helper that applies received state
// ([PutNewer]), the outbox and its relay, indexes and migrations under a lease, and a command monitor that tells
// telemetry what was done but never with which values.
//
// It owns the collections named strata_* of each database and nothing else: which documents a service stores, and how
// they look, belongs to that service's mongostore.
//
// Struct fields without a bson tag are stored under their json name (UseJSONStructTags); times come back in UTC at
// millisecond precision.
package mongodb
