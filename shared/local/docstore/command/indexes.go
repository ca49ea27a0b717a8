package command

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

func createIndexes(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	specs, err := r.indexSpecs()
	if err != nil {
		return nil, err
	}
	if r.tx != nil {
		return r.createIndexesInside(ns, specs)
	}
	created := false
	if r.engine.Collection(ns) == nil {
		if _, err = r.engine.Create(ns, nil, nil); err != nil && !errors.Is(err, engine.ErrExists) {
			return nil, err
		}
		created = err == nil
	}
	r.indexing.Lock()
	defer r.indexing.Unlock()
	c := r.engine.Collection(ns)
	if c == nil {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "collection %s was dropped meanwhile", ns)
	}
	fresh, err := missingIndexes(c, specs)
	if err == nil && len(fresh) > 0 {
		err = r.engine.CreateIndexes(ns, fresh)
	}
	if err != nil {
		return nil, err
	}
	return indexesReply(c, len(fresh), created), nil
}

// createIndexesInside does it as a part of the open transaction, which MongoDB allows for new and empty collections only.
func (r *request) createIndexesInside(ns engine.Namespace, specs []bson.Raw) (*bsonx.DocBuilder, error) {
	if err := r.definesInside(); err != nil {
		return nil, err
	}
	c, err := r.tx.Create(ns, nil)
	created := err == nil
	if err != nil && !errors.Is(err, engine.ErrExists) {
		return nil, err
	}
	fresh, err := missingIndexes(c, specs)
	if err == nil && len(fresh) > 0 {
		err = r.tx.CreateIndexes(ns, fresh)
	}
	if errors.Is(err, engine.ErrNotFresh) {
		err = mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot create new indexes on existing collection %s in a multi-document transaction.", ns)
	}
	if err != nil {
		return nil, err
	}
	return indexesReply(c, len(fresh), created), nil
}

// indexesReply tells how many indexes c had and how many it has got.
func indexesReply(c *engine.Collection, more int, created bool) *bsonx.DocBuilder {
	before := len(c.Indexes) + 1
	out := bsonx.NewDoc(128).Append("numIndexesBefore", bsonx.Int32(int32(before))).Append("numIndexesAfter", bsonx.Int32(int32(before+more))).
		Append("createdCollectionAutomatically", bsonx.Bool(created))
	if more == 0 {
		out.Append("note", bsonx.String("all indexes already exist"))
	}
	return out
}

const maxIndexes = 64

func (r *request) indexSpecs() ([]bson.Raw, error) {
	given := r.docs("indexes")
	if len(given) == 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "Must specify at least one index to create")
	}
	specs := make([]bson.Raw, len(given))
	for i, g := range given {
		var err error
		if specs[i], err = indexSpec(g); err != nil {
			return nil, err
		}
	}
	return specs, nil
}

var indexFields = fields{"key": isDoc, "name": isString, "unique": isFlag, "sparse": isFlag, "hidden": isFlag, "background": isFlag, "expireAfterSeconds": isExpiry,
	"partialFilterExpression": isDoc, "v": isNumber, "ns": isString, "collation": isDoc, "storageEngine": isDoc, "wildcardProjection": isDoc, "weights": anything,
	"default_language": isString, "language_override": isString, "textIndexVersion": isNumber, "2dsphereIndexVersion": isNumber, "bits": isNumber, "min": isNumber, "max": isNumber,
	"bucketSize": isNumber, "prepareUnique": isFlag, "clustered": isFlag, "dropDups": isFlag}

// indexSpec checks one index and returns it in the form that listIndexes shows.
func indexSpec(given bson.Raw) (bson.Raw, error) {
	a, err := indexArgs(given)
	if err != nil {
		return nil, err
	}
	if err := checkKey(a.doc("key")); err != nil {
		return nil, err
	}
	if err := checkIndexOptions(a); err != nil {
		return nil, err
	}
	out := bsonx.NewDoc(128).Append("v", bsonx.Int32(2)).Append("key", a.get("key")).Append("name", a.get("name"))
	for _, name := range []string{"unique", "sparse", "hidden"} {
		if a.flag(name) {
			out.Append(name, bsonx.Bool(true))
		}
	}
	if v := a.get("expireAfterSeconds"); !bsonx.IsMissing(v) {
		n, _ := wholeNumber(v)
		out.Append("expireAfterSeconds", bsonx.Int(n))
	}
	return out.Append("partialFilterExpression", a.get("partialFilterExpression")).Raw(), nil
}

func isExpiry(name string, v bson.RawValue) error {
	if isNumber(name, v) != nil {
		return mongoerr.New(mongoerr.CannotCreateIndex, "TTL index '%s' option must be numeric, but received a type of '%s'", name, bsonx.TypeName(v.Type))
	}
	return nil
}

func indexArgs(given bson.Raw) (args, error) {
	var out args
	for it := bsonx.Elements(given); it.Next(); {
		name := string(it.Key())
		chk := indexFields[name]
		if chk == nil {
			return nil, mongoerr.New(mongoerr.InvalidIndexSpecification, "The field '%s' is not valid for an index specification. Specification: %s", name, given)
		}
		if err := chk(name, it.Value()); err != nil {
			return nil, err
		}
		out = append(out, arg{name, it.Value()})
	}
	for _, name := range []string{"key", "name"} {
		if !out.has(name) {
			return nil, mongoerr.New(mongoerr.FailedToParse, "The '%s' field is a required property of an index specification", name)
		}
	}
	return out, nil
}

func checkKey(key bson.Raw) error {
	if bsonx.IsEmpty(key) {
		return mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot be an empty object")
	}
	seen := map[string]bool{}
	for it := bsonx.Elements(key); it.Next(); {
		name := string(it.Key())
		if seen[name] {
			return mongoerr.New(mongoerr.BadValue, "The field '%s' appears multiple times in the index key pattern", name)
		}
		seen[name] = true
		if err := checkKeyField(name, it.Value()); err != nil {
			return err
		}
	}
	if len(seen) > 32 {
		return mongoerr.New(13103, "too many compound keys")
	}
	return nil
}

func checkKeyField(name string, v bson.RawValue) error {
	switch {
	case name == "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot contain an empty field")
	case strings.Contains(name, "$**"):
		return unsupported("wildcard indexes")
	case strings.HasPrefix(name, "$") || strings.Contains(name, ".$") && !isReferencePath(name):
		return mongoerr.New(mongoerr.CannotCreateIndex, "Index key contains an illegal field name: field name starts with '$'.")
	}
	if v.Type == bson.TypeString {
		switch kind := v.StringValue(); kind {
		case "text", "2d", "2dsphere", "hashed", "geoHaystack":
			return unsupported(kind + " indexes")
		default:
			return mongoerr.New(mongoerr.CannotCreateIndex, "Unknown index plugin '%s'", kind)
		}
	}
	f, ok := bsonx.FloatOf(v)
	if !ok || f == 0 || math.IsNaN(f) {
		return mongoerr.New(mongoerr.CannotCreateIndex, "Values in v:2 index key pattern cannot be of type %s. Only numbers > 0, numbers < 0, and strings are allowed.", bsonx.TypeName(v.Type))
	}
	return nil
}

func isReferencePath(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if strings.HasPrefix(part, "$") && part != "$id" && part != "$ref" && part != "$db" {
			return false
		}
	}
	return true
}

func checkIndexOptions(a args) error {
	for _, name := range []string{"wildcardProjection", "weights", "collation", "clustered", "prepareUnique"} {
		if v := a.get(name); !bsonx.IsMissing(v) && !(v.Type == bson.TypeEmbeddedDocument && bsonx.IsEmpty(v.Value)) && bsonx.Truthy(v) {
			return unsupported("index option " + name)
		}
	}
	isID := isIDKey(a.doc("key"))
	switch {
	case a.text("name") == "":
		return mongoerr.New(mongoerr.CannotCreateIndex, "index name cannot be empty")
	case a.text("name") == "*":
		return mongoerr.New(mongoerr.BadValue, "The index name '*' is not valid.")
	case a.has("v") && a.number("v", 2) != 2 && a.number("v", 2) != 1:
		return mongoerr.New(mongoerr.CannotCreateIndex, "Invalid index specification: index version v=%d is not supported", a.number("v", 2))
	case isID && (a.flag("sparse") || a.has("partialFilterExpression") || a.has("expireAfterSeconds") || a.flag("hidden")):
		return mongoerr.New(mongoerr.InvalidIndexSpecification, "The _id index takes no options: leave them out")
	case a.flag("sparse") && a.has("partialFilterExpression"):
		return mongoerr.New(mongoerr.CannotCreateIndex, "cannot mix \"partialFilterExpression\" and \"sparse\" options")
	}
	if err := checkExpiry(a); err != nil {
		return err
	}
	return checkPartial(a.doc("partialFilterExpression"))
}

func checkExpiry(a args) error {
	if !a.has("expireAfterSeconds") {
		return nil
	}
	f, _ := bsonx.FloatOf(a.get("expireAfterSeconds"))
	if math.IsNaN(f) {
		f = 0
	}
	switch {
	case f < 0 || f > math.MaxInt32:
		return mongoerr.New(mongoerr.CannotCreateIndex, "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different number than %v", f)
	case bsonx.Len(a.doc("key")) > 1:
		return mongoerr.New(mongoerr.CannotCreateIndex, "TTL indexes are single-field indexes, compound indexes do not support TTL")
	}
	return nil
}

func isIDKey(key bson.Raw) bool { return bsonx.Len(key) == 1 && bsonx.FirstKey(key) == "_id" }

// partialOperators are what a partial index's filter may use.
var partialOperators = []string{"$eq", "$exists", "$gt", "$gte", "$lt", "$lte", "$type", "$and", "$or", "$in"}

func checkPartial(filter bson.Raw) error {
	if filter == nil {
		return nil
	}
	if err := checkPartialOperators(filter); err != nil {
		return err
	}
	_, err := query.Compile(filter, query.Options{})
	return err
}

func checkPartialOperators(doc bson.Raw) error {
	for it := bsonx.Elements(doc); it.Next(); {
		name, v := string(it.Key()), it.Value()
		if name == "$expr" {
			return mongoerr.New(224, "$expr is not allowed in a partial filter expression") // QueryFeatureNotAllowed
		}
		if strings.HasPrefix(name, "$") && !slices.Contains(partialOperators, name) || name == "$exists" && !bsonx.Truthy(v) {
			return mongoerr.New(mongoerr.CannotCreateIndex, "Expression not supported in partial index: %s", name)
		}
		if v.Type == bson.TypeRegex {
			return mongoerr.New(mongoerr.CannotCreateIndex, "Expression not supported in partial index: $regex")
		}
		if v.Type == bson.TypeEmbeddedDocument || name == "$and" || name == "$or" {
			if err := checkPartialOperators(v.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// missingIndexes returns the specifications that the collection does not have yet.
func missingIndexes(c *engine.Collection, specs []bson.Raw) ([]bson.Raw, error) {
	have := []bson.Raw{idIndex}
	for _, x := range c.Indexes {
		have = append(have, x.Spec)
	}
	var fresh []bson.Raw
	for _, spec := range specs {
		if isIDKey(bsonx.Lookup(spec, "key").Value) {
			continue
		}
		known, err := alreadyThere(have, spec)
		if err != nil {
			return nil, err
		}
		if !known {
			fresh, have = append(fresh, spec), append(have, spec)
		}
	}
	if len(have) > maxIndexes {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "add index fails, too many indexes for %s", c.Namespace)
	}
	return fresh, nil
}

// alreadyThere compares by name first and by what tells two indexes apart then, as MongoDB does.
func alreadyThere(have []bson.Raw, spec bson.Raw) (bool, error) {
	for _, h := range have {
		switch {
		case !sameField(h, spec, "name"):
		case !sameSignature(h, spec):
			return false, mongoerr.New(mongoerr.IndexKeySpecsConflict, "An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: %s, existing index: %s", spec, h)
		case !sameField(h, spec, "expireAfterSeconds"):
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "An equivalent index already exists with the same name but different options. Requested index: %s, existing index: %s", spec, h)
		default:
			return true, nil
		}
	}
	for _, h := range have {
		switch {
		case !sameSignature(h, spec):
		case sameField(h, spec, "expireAfterSeconds"):
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "Index already exists with a different name: %s", bsonx.StringBytes(bsonx.Lookup(h, "name")))
		default:
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "An equivalent index already exists with a different name and options. Requested index: %s, existing index: %s", spec, h)
		}
	}
	return false, nil
}

// sameSignature reports whether two indexes are one as far as MongoDB tells them apart: no collection may have both.
func sameSignature(a, b bson.Raw) bool {
	for _, name := range []string{"key", "partialFilterExpression", "unique", "sparse"} {
		if !sameField(a, b, name) {
			return false
		}
	}
	return true
}

func sameField(a, b bson.Raw, name string) bool {
	return bsonx.Equal(orNull(bsonx.Lookup(a, name)), orNull(bsonx.Lookup(b, name)))
}

func orNull(v bson.RawValue) bson.RawValue {
	if bsonx.IsMissing(v) {
		return bson.RawValue{Type: bson.TypeNull}
	}
	return v
}

func dropIndexes(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	c := r.engine.Collection(ns)
	if c == nil {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "ns not found %s", ns)
	}
	names, err := doomedIndexes(c, r.get("index"))
	if err != nil {
		return nil, err
	}
	if err := r.engine.DropIndexes(ns, names); err != nil {
		return nil, err
	}
	out := bsonx.NewDoc(64).Append("nIndexesWas", bsonx.Int32(int32(len(c.Indexes)+1)))
	if v := r.get("index"); v.Type == bson.TypeString && v.StringValue() == "*" {
		out.Append("msg", bsonx.String("non-_id indexes dropped for collection"))
	}
	return out, nil
}

func doomedIndexes(c *engine.Collection, v bson.RawValue) (names []string, err error) {
	switch v.Type {
	case bson.TypeString:
		if v.StringValue() == "*" {
			for _, x := range c.Indexes {
				names = append(names, x.Name)
			}
			return names, nil
		}
		return namedIndex(c, v.StringValue())
	case bson.TypeArray:
		for it := bsonx.Items(v); it.Next(); {
			if it.Value().Type != bson.TypeString {
				return nil, wrongType("dropIndexes.index."+string(it.Key()), it.Value(), "string")
			}
			one, err := namedIndex(c, it.Value().StringValue())
			if err != nil {
				return nil, err
			}
			names = append(names, one...)
		}
		return names, nil
	case bson.TypeEmbeddedDocument:
		return keyedIndex(c, v)
	}
	return nil, wrongType("dropIndexes.index", v, "string, object or array")
}

func namedIndex(c *engine.Collection, name string) ([]string, error) {
	if name == "_id_" {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "cannot drop _id index")
	}
	if c.Index(name) == nil {
		return nil, mongoerr.New(mongoerr.IndexNotFound, "index not found with name [%s]", name)
	}
	return []string{name}, nil
}

func keyedIndex(c *engine.Collection, key bson.RawValue) ([]string, error) {
	if isIDKey(key.Value) {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "cannot drop _id index")
	}
	var names []string
	for _, x := range c.Indexes {
		if bsonx.Equal(bsonx.Lookup(x.Spec, "key"), key) {
			names = append(names, x.Name)
		}
	}
	if len(names) == 1 {
		return names, nil
	}
	if len(names) > 1 {
		return nil, mongoerr.New(181, "%d indexes found for key: %s, identify by name instead", len(names), key)
	}
	return nil, mongoerr.New(mongoerr.IndexNotFound, "can't find index with key: %s", key)
}
