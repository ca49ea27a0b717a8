package command

import (
	"context"
	"math"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

var collModFields = fields{"index": isDoc, "validator": isDoc, "validationLevel": isString, "validationAction": isString, "viewOn": isString, "pipeline": isArray,
	"changeStreamPreAndPostImages": isDoc, "expireAfterSeconds": anything, "timeseries": isDoc, "cappedSize": isNumber, "cappedMax": isNumber, "dryRun": isBool}

func collMod(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"viewOn", "pipeline", "changeStreamPreAndPostImages", "timeseries", "expireAfterSeconds", "cappedSize", "cappedMax", "dryRun"} {
		if r.has(name) {
			return nil, unsupported("collMod with " + name)
		}
	}
	if err := r.checkValidated(ns); err != nil {
		return nil, err
	}
	if err := checkValidation(r.args); err != nil {
		return nil, err
	}
	c := r.engine.Collection(ns)
	if c == nil {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "ns does not exist: %s", ns)
	}
	out := bsonx.NewDoc(64)
	if r.has("index") {
		if err := r.modifyIndex(c, out); err != nil {
			return nil, err
		}
	}
	return out, r.modifyOptions(c)
}

func (r *request) modifyOptions(c *engine.Collection) error {
	options := bsonx.NewDoc(64)
	differs := false
	for _, name := range []string{"validator", "validationLevel", "validationAction"} {
		v := bsonx.Lookup(c.Options, name)
		if r.has(name) {
			v, differs = r.get(name), true
		}
		options.Append(name, v)
	}
	if !differs {
		return nil
	}
	return r.engine.SetOptions(c.Namespace, options.Raw())
}

// modifyIndex changes expireAfterSeconds and hidden of one index and appends the old and new values.
func (r *request) modifyIndex(c *engine.Collection, out *bsonx.DocBuilder) error {
	a, err := parseFields("collMod.index", r.doc("index"), fields{"name": isString, "keyPattern": isDoc, "expireAfterSeconds": isNumber, "hidden": isFlag, "unique": isFlag, "prepareUnique": isFlag})
	if err != nil {
		return err
	}
	if a.has("name") == a.has("keyPattern") {
		return mongoerr.New(mongoerr.InvalidOptions, "must specify either index name or key pattern, and not both")
	}
	if a.has("unique") || a.has("prepareUnique") {
		return unsupported("making an index unique")
	}
	if !a.has("expireAfterSeconds") && !a.has("hidden") {
		return mongoerr.New(mongoerr.InvalidOptions, "no expireAfterSeconds, hidden, unique, or prepareUnique field")
	}
	x := findIndex(c, a)
	if x == nil {
		return mongoerr.New(mongoerr.IndexNotFound, "cannot find index %s for ns %s", r.get("index"), c.Namespace)
	}
	return r.changeIndex(c, x, a, out)
}

func findIndex(c *engine.Collection, a args) *engine.Index {
	for _, x := range c.Indexes {
		if x.Name == a.text("name") || a.has("keyPattern") && bsonx.Equal(bsonx.Lookup(x.Spec, "key"), a.get("keyPattern")) {
			return x
		}
	}
	return nil
}

func (r *request) changeIndex(c *engine.Collection, x *engine.Index, a args, out *bsonx.DocBuilder) error {
	spec := bsonx.NewDoc(len(x.Spec) + 32)
	for it := bsonx.Elements(x.Spec); it.Next(); {
		name := string(it.Key())
		if name == "expireAfterSeconds" && a.has(name) || name == "hidden" && a.has(name) {
			continue
		}
		spec.AppendBytes(it.Key(), it.Value())
	}
	if a.has("hidden") {
		if a.flag("hidden") {
			spec.Append("hidden", bsonx.Bool(true))
		}
		if a.flag("hidden") != x.Hidden {
			out.Append("hidden_old", bsonx.Bool(x.Hidden)).Append("hidden_new", bsonx.Bool(a.flag("hidden")))
		}
	}
	if a.has("expireAfterSeconds") {
		n := a.number("expireAfterSeconds", 0)
		if n < 0 || n > math.MaxInt32 {
			return mongoerr.New(mongoerr.InvalidOptions, "TTL index 'expireAfterSeconds' option must be within an acceptable range")
		}
		if len(x.Fields) > 1 {
			return mongoerr.New(mongoerr.InvalidOptions, "TTL indexes are single-field indexes, compound indexes do not support TTL")
		}
		spec.Append("expireAfterSeconds", bsonx.Int(n))
		if x.ExpireAfter == nil || *x.ExpireAfter != n {
			if x.ExpireAfter != nil {
				out.Append("expireAfterSeconds_old", bsonx.Int64(*x.ExpireAfter))
			}
			out.Append("expireAfterSeconds_new", bsonx.Int64(n))
		}
	}
	return r.engine.SetIndexSpec(c.Namespace, x.Name, spec.Raw())
}
