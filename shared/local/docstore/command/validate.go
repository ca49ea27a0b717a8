package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// validate checks a document against the collection's validator, if it has one.
func (w *writer) validate(c *engine.Collection, doc bson.Raw) error {
	if bsonx.IsEmpty(c.Options) || w.r.flag("bypassDocumentValidation") {
		return nil
	}
	rule, ok := bsonx.Lookup(c.Options, "validator").DocumentOK()
	if !ok || bsonx.IsEmpty(rule) || string(bsonx.StringBytes(bsonx.Lookup(c.Options, "validationLevel"))) == "off" {
		return nil
	}
	m, err := query.Compile(rule, query.Options{})
	if err != nil {
		return err
	}
	if matched, err := m.Match(doc); matched || err != nil {
		return err
	}
	if string(bsonx.StringBytes(bsonx.Lookup(c.Options, "validationAction"))) == "warn" {
		w.r.log.Warn("docstore: document fails validation", "collection", c.Namespace.String())
		return nil
	}
	return mongoerr.New(mongoerr.DocumentValidationFailure, "Document failed validation").WithInfo(bsonx.NewDoc(128).
		Append("failingDocumentId", bsonx.Lookup(doc, "_id")).
		Append("details", bsonx.NewDoc(64).Append("validator", bsonx.Document(rule)).Value()).Raw())
}
