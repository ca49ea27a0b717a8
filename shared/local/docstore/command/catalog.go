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
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

func catalogCommands() map[string]*command {
	return map[string]*command{
		"create": {run: create, localReads: true, inTransaction: true, fields: createFields},
		"drop":   {run: drop}, "dropDatabase": {run: dropDatabase, localReads: true},
		"createIndexes":    {run: createIndexes, localReads: true, inTransaction: true, required: []string{"indexes"}, fields: fields{"indexes": isDocs, "commitQuorum": anything, "ignoreUnknownIndexOptions": isBool, "v": anything}},
		"dropIndexes":      {run: dropIndexes, localReads: true, required: []string{"index"}, fields: fields{"index": anything}},
		"deleteIndexes":    {run: dropIndexes, required: []string{"index"}, fields: fields{"index": anything}},
		"listCollections":  {run: listCollections, onlyReads: true, localReads: true, fields: fields{"filter": isDoc, "nameOnly": isFlag, "authorizedCollections": isFlag, "cursor": isDoc}},
		"listIndexes":      {run: listIndexes, localReads: true, onlyReads: true, fields: fields{"cursor": isDoc, "includeIndexBuildInfo": isFlag, "includeBuildUUIDs": isFlag}},
		"listDatabases":    {run: listDatabases, localReads: true, onlyReads: true, adminOnly: true, fields: fields{"filter": isDoc, "nameOnly": isFlag, "authorizedDatabases": isBool}},
		"renameCollection": {run: rename, localReads: true, adminOnly: true, required: []string{"to"}, fields: fields{"to": isString, "dropTarget": isFlag, "stayTemp": isBool, "collectionUUID": isUUID}},
		"collMod":          {run: collMod, localReads: true, fields: collModFields},
	}
}

var createFields = fields{"capped": isFlag, "autoIndexId": isFlag, "size": isNumber, "max": isNumber, "idIndex": isDoc, "storageEngine": isDoc, "validator": isDoc,
	"validationLevel": isString, "validationAction": isString, "indexOptionDefaults": isDoc, "viewOn": isString, "pipeline": isArray, "collation": isDoc,
	"changeStreamPreAndPostImages": isDoc, "timeseries": isDoc, "clusteredIndex": ofType("bool or object", bson.TypeBoolean, bson.TypeEmbeddedDocument),
	"expireAfterSeconds": isNumber, "encryptedFields": isDoc, "temp": isFlag, "flags": isNumber}

// create makes a collection. Creating one again with the same options succeeds.
func create(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(ns.Name, "system.") && !slices.Contains([]string{"system.js", "system.profile", "system.users", "system.views"}, ns.Name) {
		return nil, mongoerr.New(mongoerr.InvalidNamespace, "Invalid system namespace: %s", ns)
	}
	if err := r.checkValidated(ns); err != nil {
		return nil, err
	}
	options, err := r.createOptions()
	if err != nil {
		return nil, err
	}
	if r.tx != nil {
		return r.createInside(ns, options)
	}
	c, err := r.engine.Create(ns, options, nil)
	if errors.Is(err, engine.ErrExists) {
		if bsonx.Equal(bsonx.Document(orEmpty(c.Options)), bsonx.Document(orEmpty(options))) {
			return bsonx.NewDoc(16), nil
		}
		return nil, mongoerr.New(mongoerr.NamespaceExists, "namespace %s already exists, but with different options: %s", ns, c.Options)
	}
	return bsonx.NewDoc(16), err
}

// createInside makes a collection as a part of the open transaction. One that exists is refused, whatever its options.
func (r *request) createInside(ns engine.Namespace, options bson.Raw) (*bsonx.DocBuilder, error) {
	if err := r.definesInside(); err != nil {
		return nil, err
	}
	if _, err := r.tx.Create(ns, options); errors.Is(err, engine.ErrExists) {
		return nil, mongoerr.New(mongoerr.NamespaceExists, "Collection %s already exists.", ns)
	} else if err != nil {
		return nil, err
	}
	return bsonx.NewDoc(16), nil
}

// definesInside refuses create and createIndexes in a transaction that reads with more than local guarantees.
func (r *request) definesInside() error {
	if r.session.DurableReads() {
		return mongoerr.New(mongoerr.InvalidOptions, "%s requires readConcern level 'local' inside a transaction", r.name)
	}
	return nil
}

func orEmpty(d bson.Raw) bson.Raw {
	if d == nil {
		return bsonx.NewDoc(0).Raw()
	}
	return d
}

func (r *request) createOptions() (bson.Raw, error) {
	for _, name := range []string{"viewOn", "timeseries", "clusteredIndex", "collation", "encryptedFields", "changeStreamPreAndPostImages"} {
		if v := r.get(name); !bsonx.IsMissing(v) && !(v.Type == bson.TypeEmbeddedDocument && bsonx.IsEmpty(v.Value)) {
			return nil, unsupported(name)
		}
	}
	for _, name := range []string{"storageEngine", "indexOptionDefaults"} {
		if !bsonx.IsEmpty(r.doc(name)) {
			return nil, unsupported(name)
		}
	}
	switch {
	case r.flag("capped"):
		return nil, unsupported("capped collections")
	case r.has("expireAfterSeconds"):
		return nil, mongoerr.New(mongoerr.InvalidOptions, "'expireAfterSeconds' is only supported on time-series collections or when the 'clusteredIndex' option is specified")
	case r.has("pipeline"):
		return nil, mongoerr.New(mongoerr.InvalidOptions, "'pipeline' requires 'viewOn' to also be specified")
	case r.has("changeStreamPreAndPostImages"), r.has("encryptedFields"):
		return nil, mongoerr.New(missingField, "a required field of changeStreamPreAndPostImages or encryptedFields is missing")
	}
	if r.has("idIndex") {
		if err := checkIDIndex(r.doc("idIndex")); err != nil {
			return nil, err
		}
	}
	out := bsonx.NewDoc(64)
	for _, name := range []string{"validator", "validationLevel", "validationAction"} {
		out.Append(name, r.get(name))
	}
	return out.Raw(), checkValidation(r.args)
}

// checkValidated refuses validators where documents are not the client's own.
func (r *request) checkValidated(ns engine.Namespace) error {
	if r.has("validator") && (ns.DB == "admin" || ns.DB == "local" || ns.DB == "config" || strings.HasPrefix(ns.Name, "system.")) {
		return mongoerr.New(mongoerr.InvalidOptions, "Document validators are not allowed on collection %s", ns)
	}
	return nil
}

// checkIDIndex checks an index on _id given to create: it must be what every collection has.
func checkIDIndex(spec bson.Raw) error {
	known := map[string]check{"key": isDoc, "name": isString, "v": isNumber, "ns": anything, "collation": isDoc}
	for it := bsonx.Elements(spec); it.Next(); {
		chk := known[string(it.Key())]
		if chk == nil {
			return mongoerr.New(mongoerr.InvalidIndexSpecification, "The field '%s' is not valid for an _id index specification", it.Key())
		}
		if err := chk("idIndex."+string(it.Key()), it.Value()); err != nil {
			return err
		}
	}
	a, err := indexArgs(spec)
	if err != nil {
		return err
	}
	switch one, _ := bsonx.FloatOf(bsonx.Lookup(a.doc("key"), "_id")); {
	case !isIDKey(a.doc("key")) || one != 1:
		return mongoerr.New(mongoerr.BadValue, "The field 'key' for an _id index must be {_id: 1}")
	case a.has("v") && !isWhole(a.get("v")):
		return mongoerr.New(mongoerr.BadValue, "Index version must be representable as a 32-bit integer")
	}
	return checkIndexOptions(a)
}

func isWhole(v bson.RawValue) bool {
	f, ok := bsonx.FloatOf(v)
	return ok && f == math.Trunc(f)
}

func checkValidation(a args) error {
	if a.has("validationLevel") && !slices.Contains([]string{"off", "strict", "moderate"}, a.text("validationLevel")) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'validationLevel' is not a valid value.", a.text("validationLevel"))
	}
	if a.has("validationAction") && !slices.Contains([]string{"error", "warn"}, a.text("validationAction")) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'validationAction' is not a valid value.", a.text("validationAction"))
	}
	if depth(a.doc("validator"), maxCommandDepth+1) > maxCommandDepth {
		return mongoerr.New(mongoerr.Overflow, "the validator exceeds the nesting limit of %d levels", maxCommandDepth)
	}
	_, err := query.Compile(a.doc("validator"), query.Options{})
	return err
}

func drop(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	c, err := r.engine.Drop(ns)
	if errors.Is(err, engine.ErrNotFound) {
		return bsonx.NewDoc(64), nil // since 7.0 dropping what is not there succeeds
	}
	if err != nil {
		return nil, err
	}
	return bsonx.NewDoc(64).Append("nIndexesWas", bsonx.Int32(int32(len(c.Indexes)+1))).Append("ns", bsonx.String(ns.String())), nil
}

func dropDatabase(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	if f, ok := bsonx.FloatOf(r.get(r.name)); !ok || f != 1 {
		return nil, mongoerr.New(5255100, "Have to pass 1 as the argument of dropDatabase")
	}
	if err := checkDatabase(r.db); err != nil {
		return nil, err
	}
	if r.db == "admin" || r.db == "config" || r.db == "local" {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "Dropping the '%s' database is prohibited.", r.db)
	}
	for _, c := range r.engine.Collections(r.db) {
		if _, err := r.engine.Drop(c.Namespace); err != nil && !errors.Is(err, engine.ErrNotFound) {
			return nil, err
		}
	}
	return bsonx.NewDoc(16), nil
}

func rename(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	from, to, err := r.renamed()
	if err != nil {
		return nil, err
	}
	if from == to {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "Can't rename a collection to itself")
	}
	c := r.engine.Collection(from)
	if c == nil {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "Source collection %s does not exist", from)
	}
	if v := r.get("collectionUUID"); v.Type == bson.TypeBinary && !bsonx.Equal(v, binaryValue(c.UUID)) {
		return nil, mongoerr.New(361, "Collection UUID does not match that specified")
	}
	err = r.engine.Rename(from, to, r.flag("dropTarget"))
	switch {
	case errors.Is(err, engine.ErrExists):
		return nil, mongoerr.New(mongoerr.NamespaceExists, "target namespace exists")
	case errors.Is(err, engine.ErrNotFound):
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "Source collection %s does not exist", from)
	}
	return bsonx.NewDoc(16), err
}

// renamed returns the two names of renameCollection. Names that no collection can have are IllegalOperation here.
func (r *request) renamed() (from, to engine.Namespace, err error) {
	for i, v := range []bson.RawValue{r.get(r.name), r.get("to")} {
		name := []string{r.name, "to"}[i]
		if v.Type == bson.TypeNull {
			return from, to, mongoerr.New(missingField, "BSON field 'renameCollection.%s' is missing but a required field", name)
		}
		if err := isString("renameCollection."+name, v); err != nil {
			return from, to, err
		}
		ns, err := parseNamespace(v.StringValue())
		if err != nil {
			return from, to, err
		}
		if from, to = to, ns; i == 0 {
			to = ns
		}
	}
	return from, to, nil
}

func parseNamespace(s string) (engine.Namespace, error) {
	db, name, ok := strings.Cut(s, ".")
	ns := engine.Namespace{DB: db, Name: name}
	switch {
	case !ok || name == "" || db == "":
		return ns, mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s'", s)
	case strings.HasPrefix(name, "system."), strings.HasPrefix(s, "local.oplog."):
		return ns, mongoerr.New(mongoerr.IllegalOperation, "Cannot rename the system collection '%s', nor to it", s)
	case strings.Contains(s, "$"), len(s) > maxNamespace:
		return ns, mongoerr.New(mongoerr.IllegalOperation, "'%s' is not a name that a collection may be renamed to or from", s)
	}
	return ns, checkNamespace(ns)
}

func isUUID(name string, v bson.RawValue) error {
	if v.Type == bson.TypeNull {
		return nil
	}
	if v.Type != bson.TypeBinary {
		return wrongType(name, v, "UUID")
	}
	subtype, data := v.Binary()
	if subtype != bson.TypeBinaryUUID {
		return wrongType(name, v, "UUID")
	}
	if len(data) != 16 {
		return mongoerr.New(207, "%s must be a 16-byte binary field with UUID (4) subtype", name)
	}
	return nil
}

func listCollections(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	if err := checkDatabase(r.db); err != nil {
		return nil, err
	}
	m, err := query.Compile(r.doc("filter"), query.Options{Scope: expr.NewScopeWithoutClock()})
	if err != nil {
		return nil, err
	}
	var docs []bson.Raw
	for _, c := range r.engine.Collections(r.db) {
		doc := describe(c)
		ok, err := m.Match(doc)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if r.flag("nameOnly") {
			doc = bsonx.NewDoc(64).Append("name", bsonx.String(c.Name)).Append("type", bsonx.String("collection")).Raw()
		}
		docs = append(docs, doc)
	}
	return r.listReply(ctx, engine.Namespace{DB: r.db, Name: "$cmd.listCollections"}, docs)
}

func describe(c *engine.Collection) bson.Raw {
	info := bsonx.NewDoc(64).Append("readOnly", bsonx.Bool(false)).Append("uuid", binaryValue(c.UUID))
	return bsonx.NewDoc(256).Append("name", bsonx.String(c.Name)).Append("type", bsonx.String("collection")).
		Append("options", bsonx.Document(orEmpty(c.Options))).Append("info", info.Value()).
		Append("idIndex", bsonx.Document(idIndex)).Raw()
}

func binaryValue(b bson.Binary) bson.RawValue {
	t, data, err := bson.MarshalValue(b)
	if err != nil {
		return bsonx.Missing
	}
	return bson.RawValue{Type: t, Value: data}
}

var idIndex = bsonx.NewDoc(64).Append("v", bsonx.Int32(2)).
	Append("key", bsonx.NewDoc(16).Append("_id", bsonx.Int32(1)).Value()).Append("name", bsonx.String("_id_")).Raw()

// listReply answers documents as a cursor.
func (r *request) listReply(ctx context.Context, ns engine.Namespace, docs []bson.Raw) (*bsonx.DocBuilder, error) {
	if c := r.get("cursor"); !bsonx.IsMissing(c) {
		if _, err := parseFields(r.name+".cursor", c.Value, fields{"batchSize": isCount}); err != nil {
			return nil, err
		}
	}
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	return r.firstBatch(ctx, ns, pipeline.Slice(docs), t, done)
}

func listIndexes(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	c := r.engine.Collection(ns)
	if c == nil {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "ns does not exist: %s", ns)
	}
	if r.flag("includeIndexBuildInfo") && r.flag("includeBuildUUIDs") {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "The includeBuildUUIDs flag and includeIndexBuildInfo flag cannot both be set to true")
	}
	docs := []bson.Raw{idIndex}
	for _, x := range c.Indexes {
		docs = append(docs, x.Spec)
	}
	if r.flag("includeIndexBuildInfo") {
		for i, d := range docs {
			docs[i] = bsonx.NewDoc(len(d)+16).Append("spec", bsonx.Document(d)).Raw()
		}
	}
	return r.listReply(ctx, ns, docs)
}

func listDatabases(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	m, err := query.Compile(r.doc("filter"), query.Options{Scope: expr.NewScopeWithoutClock()})
	if err != nil {
		return nil, err
	}
	list := bsonx.NewArray(256)
	last := ""
	for _, c := range r.engine.Collections("") {
		if c.DB == last {
			continue
		}
		last = c.DB
		d := bsonx.NewDoc(64).Append("name", bsonx.String(c.DB))
		full := bsonx.NewDoc(64).Append("name", bsonx.String(c.DB)).Append("sizeOnDisk", bsonx.Int64(0)).Append("empty", bsonx.Bool(false)).Raw()
		ok, err := m.Match(full)
		if err != nil {
			return nil, err
		}
		switch {
		case !ok:
		case r.flag("nameOnly"):
			list.Append(d.Value())
		default:
			list.Append(bsonx.Document(full))
		}
	}
	out := bsonx.NewDoc(256).Append("databases", list.Value())
	if !r.flag("nameOnly") {
		out.Append("totalSize", bsonx.Int64(0)).Append("totalSizeMb", bsonx.Int64(0))
	}
	return out, nil
}
