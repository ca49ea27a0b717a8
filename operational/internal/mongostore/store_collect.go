// Package mongostore holds every store of the operational service on MongoDB: documents, indexes and queries. It decides
// nothing; each store implements an interface that a domain package declares.
//
// Documents carry a schema version v. Fields are only added; a change of meaning is a migration. Ids begin with the
// tenant. Filters are built from typed values only.
package mongostore

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Collections of the collecting half.
const (
	sourcesCollection     = "sources"
	watermarksCollection  = "watermarks"
	droppedCollection     = "dropped_properties"
	lakeCollection        = "lake_events"
	quarantineCollection  = "quarantine"
	suppressedCollection  = "suppressed"
	erasuresCollection    = "erasures"
	logCollection         = "ingest_log"
	fencesCollection      = "ingest_fences"
	profilesCollection    = "profiles"
	linksCollection       = "identities"
	factsCollection       = "facts"
	rowsCollection        = "customer_days"
	touchesCollection     = "touches"
	arrivalsCollection    = "arrivals"
	importsCollection     = "imports"
	importFilesCollection = "import_files"
	importBlocks          = "import_blocks"
	importRows            = "import_rows"
	importProgress        = "import_progress"
	settingsCollection    = "settings"
)

// seenKeys find what changed after a position of a partition.
var seenKeys = bson.D{{Key: "tenant", Value: 1}, {Key: "partition", Value: 1}, {Key: "position", Value: 1}}

// CollectIndexes are the indexes of the collecting half.
func CollectIndexes() []mongodb.Index {
	return []mongodb.Index{
		{Collection: factsCollection, Name: "row", Keys: bson.D{{Key: "row", Value: 1}}},
		{Collection: factsCollection, Name: "customer", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "customer", Value: 1}}},
		{Collection: factsCollection, Name: "answers", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "day", Value: 1}},
			Partial: bson.D{{Key: "kind", Value: "answer"}}},
		{Collection: rowsCollection, Name: "day", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "day", Value: 1}}},
		{Collection: profilesCollection, Name: "priority", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "priority", Value: 1}}},
		{Collection: profilesCollection, Name: "seen", Keys: seenKeys},
		{Collection: linksCollection, Name: "seen", Keys: seenKeys},
		{Collection: linksCollection, Name: "a", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "a", Value: 1}}},
		{Collection: linksCollection, Name: "b", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "b", Value: 1}}},
		{Collection: lakeCollection, Name: "customer", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "customer", Value: 1}}},
		{Collection: arrivalsCollection, Name: "day", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "day", Value: 1}}},
		{Collection: suppressedCollection, Name: "gone", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "gone", Value: 1}}},
		{Collection: erasuresCollection, Name: "open", Keys: bson.D{{Key: "open", Value: 1}, {Key: "until", Value: 1}}, Partial: bson.D{{Key: "open", Value: true}}},
		{Collection: quarantineCollection, Name: "at", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "at", Value: -1}}},
		{Collection: importProgress, Name: "run", Keys: bson.D{{Key: "run", Value: 1}}},
		{Collection: importsCollection, Name: "started", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "startedAt", Value: -1}}},
	}
}

// version is the schema version of the documents of this package.
const version = 1

var upsert = options.Replace().SetUpsert(true)

func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

func in(field string, values []string) bson.D {
	return bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: values}}}}
}

func set(doc any) bson.D { return bson.D{{Key: "$set", Value: doc}} }

// unordered lets the server go on after one write of a bulk has failed; inside a transaction any failure ends it all.
func unordered() *options.BulkWriteOptionsBuilder { return options.BulkWrite().SetOrdered(false) }

func id(t contract.TenantID, parts ...string) string {
	s := string(t)
	for _, p := range parts {
		s += "|" + p
	}
	return s
}

// replacement is the upsert of a whole document.
func replacement(id string, doc any) mongo.WriteModel {
	return mongo.NewReplaceOneModel().SetFilter(byID(id)).SetReplacement(doc).SetUpsert(true)
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// refusals are the server's codes for documents that it will never take (MongoDB's error_codes.yml): BadValue,
// FailedToParse, TypeMismatch, Overflow, InvalidBSON, DollarPrefixedFieldName, EmptyFieldName, DottedFieldName,
// DocumentValidationFailure.
var refusals = []int{2, 9, 14, 15, 22, 52, 56, 57, 121}

// refused gives a driver's error its kind. A document that the server or the driver will never take is fault.Invalid,
// code poison: ingest then looks for the record that it comes from instead of trying for ever.
func refused(err error) error {
	var server mongo.ServerError
	var kind *fault.Error
	switch {
	case err == nil || errors.As(err, &kind):
		return err
	case errors.As(err, &server) && !slices.ContainsFunc(refusals, server.HasErrorCode):
		return mongodb.Fault(err)
	case errors.As(err, &server), errors.As(err, &mongo.MarshalError{}):
		return fault.Wrap(fault.Invalid, fault.Poison, err, "the document cannot be stored")
	default:
		return mongodb.Fault(err)
	}
}

// values are parameters as they are stored: typed, in the order of their names.
func values(m map[contract.ParameterName]json.RawMessage) (bson.D, error) {
	d := make(bson.D, 0, len(m))
	for _, name := range sorted(m) {
		v, err := toBSON(m[name])
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fault.Poison, err, "the value of "+string(name)+" is not JSON")
		}
		d = append(d, bson.E{Key: string(name), Value: v})
	}
	return d, nil
}

// toBSON returns a JSON value with integers as int64 and other numbers as double.
func toBSON(raw json.RawMessage) (any, error) {
	if v, ok := plainValue(raw); ok {
		return v, nil
	}
	return decoded(raw)
}

func decoded(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return convert(v), nil
}

func convert(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64() // the gateway let only finite numbers through
		return f
	case map[string]any:
		d := make(bson.D, 0, len(v))
		for _, name := range sorted(v) {
			d = append(d, bson.E{Key: name, Value: convert(v[name])})
		}
		return d
	case []any:
		a := make(bson.A, len(v))
		for i, e := range v {
			a[i] = convert(e)
		}
		return a
	default:
		return v
	}
}

// toJSON is the way back.
func toJSON(v any) (json.RawMessage, error) { return json.Marshal(plain(v)) }

func plain(v any) any {
	switch v := v.(type) {
	case bson.D:
		m := make(map[string]any, len(v))
		for _, e := range v {
			m[e.Key] = plain(e.Value)
		}
		return m
	case bson.A:
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = plain(e)
		}
		return a
	default:
		return v
	}
}
