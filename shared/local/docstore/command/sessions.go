package command

import (
	"context"
	"crypto/rand"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/session"
)

func sessionCommands() map[string]*command {
	return map[string]*command{
		"startSession":      {run: startSession, onlyReads: true, localReads: true},
		"endSessions":       {run: endSessions},
		"refreshSessions":   {run: refreshSessions},
		"killSessions":      {run: endSessions, onlyReads: true, localReads: true, lenient: true, keepNull: true},
		"killAllSessions":   {run: killAllSessions, onlyReads: true, localReads: true, lenient: true},
		"commitTransaction": {run: commitTransaction, adminOnly: true, endsTransaction: true, fields: fields{"commitTimestamp": anything}},
		"abortTransaction":  {run: abortTransaction, adminOnly: true, endsTransaction: true},
	}
}

func startSession(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	id := engine.NewUUID(random)
	if _, err := r.sessions.Touch(session.ID(id.Data), r.conn.ID); err != nil {
		return nil, err
	}
	return bsonx.NewDoc(128).Append("id", bsonx.NewDoc(32).Append("id", binaryValue(id)).Value()).
		Append("timeoutMinutes", bsonx.Int32(int32(session.Timeout.Minutes()))), nil
}

// sessionIDs reads the array of session ids that the command's first field holds.
func (r *request) sessionIDs() ([]session.ID, error) {
	v := r.get(r.name)
	if v.Type == bson.TypeNull {
		return nil, mongoerr.New(missingField, "BSON field '%s.%s' is missing but a required field", r.name, r.name)
	}
	if err := isArray(r.name+"."+r.name, v); err != nil {
		return nil, err
	}
	var ids []session.ID
	for it := bsonx.Items(v); it.Next(); {
		if it.Value().Type == bson.TypeNull {
			continue
		}
		if err := isDoc(r.name+"."+r.name+"."+string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
		id, err := sessionID(r.name+"."+r.name+"."+string(it.Key()), it.Value().Value)
		if err != nil {
			return nil, err
		}
		ids = append(ids, *id)
	}
	return ids, nil
}

func endSessions(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ids, err := r.sessionIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r.sessions.End(id)
		r.cursors.KillWhere(func(c *session.Cursor) bool { return c.Session != nil && *c.Session == id })
	}
	return bsonx.NewDoc(16), nil
}

func refreshSessions(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ids, err := r.sessionIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, err := r.sessions.Touch(id, r.conn.ID); err != nil {
			return nil, err
		}
	}
	return bsonx.NewDoc(16), nil
}

func killAllSessions(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	v := r.get(r.name)
	if err := isArray(r.name+"."+r.name, v); err != nil {
		return nil, err
	}
	for it := bsonx.Items(v); it.Next(); {
		if it.Value().Type == bson.TypeNull {
			continue
		}
		if err := isDoc(r.name+"."+r.name+"."+string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
		a, err := parseFields(r.name, it.Value().Value, fields{"user": isString, "db": isString}, "user", "db")
		if err != nil {
			return nil, err
		}
		if r.credential == nil || a.text("user") != r.credential.Username {
			return bsonx.NewDoc(16), nil
		}
	}
	r.sessions.EndAll()
	r.cursors.KillWhere(func(c *session.Cursor) bool { return c.Session != nil })
	return bsonx.NewDoc(16), nil
}
