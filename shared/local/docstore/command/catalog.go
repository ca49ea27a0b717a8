package command

import (
	"context"
	"errors"
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
		"create": {run: create, fields: createFields},
		"drop":   {run: drop}, "dropDatabase": {run: dropDatabase},
		"createIndexes":    {run: createIndexes, required: []string{"indexes"}, fields: fields{"indexes": isDocs, "commitQuorum": anything, "ignoreUnknownIndexOptions": isBool, "v": anything}},
		"dropIndexes":      {run: dropIndexes, required: []string{"index"}, fields: fields{"index": anything}},
		"deleteIndexes":    {run: dropIndexes, required: []string{"index"}, fields: fields{"index": anything}},
		"listCollections":  {run: listCollections, fields: fields{"filter": isDoc, "nameOnly": isFlag, "authorizedCollections": isFlag, "cursor": isDoc}},
		"listIndexes":      {run: listIndexes, fields: fields{"cursor": isDoc, "includeIndexBuildInfo": isFlag}},
		"listDatabases":    {run: listDatabases, adminOnly: true, fields: fields{"filter": isDoc, "nameOnly": isFlag, "authorizedDatabases": isBool}},
		"renameCollection": {run: rename, adminOnly: true, required: []string{"to"}, fields: fields{"to": isString, "dropTarget": isFlag, "stayTemp": isBool}},
		"collMod":          {run: collMod, fields: collModFields},
	}
}

var createFields = fields{"capped": isFlag, "autoIndexId": isFlag, "size": isNumber, "max": isNumber, "idIndex": isDoc, "storageEngine": isDoc, "validator": isDoc,
	"validationLevel": isString, "validationAction": isString, "indexOptionDefaults": isDoc, "viewOn": isString, "pipeline": isArray, "collation": isDoc,
	"changeStreamPreAndPostImages": isDoc, "timeseries": isDoc, "clusteredIndex": ofType("bool or object", bson.TypeBoolean, bson.TypeEmbeddedDocument),
	"expireAfterSeconds": isNumber, "encryptedFields": isDoc, "temp": isFlag, "flags": isNumber}

// create makes a collection. Creating one again with the same options succeeds.
func create(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	options, err := r.createOptions()
	if err != nil {
		return nil, err
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
	if r.flag("capped") {
		return nil, unsupported("capped collections")
	}
	out := bsonx.NewDoc(64)
	for _, name := range []string{"validator", "validationLevel", "validationAction"} {
		out.Append(name, r.get(name))
	}
	return out.Raw(), checkValidation(r.args)
}

func checkValidation(a args) error {
	if a.has("validationLevel") && !slices.Contains([]string{"off", "strict", "moderate"}, a.text("validationLevel")) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'validationLevel' is not a valid value.", a.text("validationLevel"))
	}
	if a.has("validationAction") && !slices.Contains([]string{"error", "warn"}, a.text("validationAction")) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'validationAction' is not a valid value.", a.text("validationAction"))
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
	out := bsonx.NewDoc(32)
	dropped := false
	for _, c := range r.engine.Collections(r.db) {
		if _, err := r.engine.Drop(c.Namespace); err != nil && !errors.Is(err, engine.ErrNotFound) {
			return nil, err
		}
		dropped = true
	}
	if dropped {
		out.Append("dropped", bsonx.String(r.db))
	}
	return out, nil
}

func rename(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	if v := r.get(r.name); v.Type != bson.TypeString {
		return nil, wrongType("renameCollection", v, "string")
	}
	from, err := parseNamespace(r.text(r.name))
	if err != nil {
		return nil, err
	}
	to, err := parseNamespace(r.text("to"))
	if err != nil {
		return nil, err
	}
	if from == to {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "Can't rename a collection to itself")
	}
	if r.engine.Collection(from) == nil {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "Source collection %s does not exist", from)
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

func parseNamespace(s string) (engine.Namespace, error) {
	db, name, ok := strings.Cut(s, ".")
	ns := engine.Namespace{DB: db, Name: name}
	if !ok {
		return ns, mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s'", s)
	}
	return ns, checkNamespace(ns)
}

func listCollections(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	if err := checkDatabase(r.db); err != nil {
		return nil, err
	}
	m, err := query.Compile(r.doc("filter"), query.Options{})
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
	t, done := r.reader()
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
	docs := []bson.Raw{idIndex}
	for _, x := range c.Indexes {
		docs = append(docs, x.Spec)
	}
	return r.listReply(ctx, ns, docs)
}

func listDatabases(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	m, err := query.Compile(r.doc("filter"), query.Options{Env: &expr.Env{Now: r.at}})
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
