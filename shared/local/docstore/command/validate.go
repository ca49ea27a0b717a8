package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// validate checks a document that takes the place of before, nil for a new one, against the collection's validator, if it has one.
func (w *writer) validate(c *engine.Collection, before, doc bson.Raw) error {
	if bsonx.IsEmpty(c.Options) || w.r.flag("bypassDocumentValidation") {
		return nil
	}
	rule, ok := bsonx.Lookup(c.Options, "validator").DocumentOK()
	level := string(bsonx.StringBytes(bsonx.Lookup(c.Options, "validationLevel")))
	if !ok || bsonx.IsEmpty(rule) || level == "off" {
		return nil
	}
	m, err := query.Compile(rule, query.Options{})
	if err != nil {
		return err
	}
	if matched, err := m.Match(doc); matched || err != nil {
		return err
	}
	if level == "moderate" && before != nil { // what was wrong before may stay so
		if matched, err := m.Match(before); !matched || err != nil {
			return err
		}
	}
	if string(bsonx.StringBytes(bsonx.Lookup(c.Options, "validationAction"))) == "warn" {
		w.r.log.Warn("docstore: document fails validation", "collection", c.Namespace.String())
		return nil
	}
	return mongoerr.New(mongoerr.DocumentValidationFailure, "Document failed validation").WithInfo(bsonx.NewDoc(128).
		Append("failingDocumentId", bsonx.Lookup(doc, "_id")).
		Append("details", bsonx.NewDoc(64).Append("validator", bsonx.Document(rule)).Value()).Raw())
}
