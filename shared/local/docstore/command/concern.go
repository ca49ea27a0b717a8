package command

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

var readConcernFields = fields{"level": isString, "afterClusterTime": ofType("timestamp", bson.TypeTimestamp),
	"atClusterTime": ofType("timestamp", bson.TypeTimestamp), "provenance": isProvenance, "afterOpTime": isDoc, "allowTransactionTableSnapshot": isBool}

func isProvenance(name string, v bson.RawValue) error {
	if err := isString(name, v); err != nil {
		return err
	}
	known := []string{"clientSupplied", "implicitDefault", "customDefault", "getLastErrorDefaults", "internalWriteDefault"}
	if !slices.Contains(known, v.StringValue()) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field '%s' is not a valid value.", v.StringValue(), name)
	}
	return nil
}

func (g *general) setReadConcern(v bson.RawValue) error {
	if err := isDoc("readConcern", v); err != nil {
		return err
	}
	g.hasReadConcern = true
	if level := onlyLevel(v.Value); level != "" {
		g.readConcern = level
		return nil
	}
	for _, name := range []string{"atClusterTime", "afterClusterTime"} {
		if t := bsonx.Lookup(v.Value, name); t.Type == bson.TypeNull {
			return wrongType("readConcern."+name, t, "timestamp")
		}
	}
	a, err := parseFields("readConcern", v.Value, readConcernFields)
	if err != nil {
		return err
	}
	g.readConcern = a.text("level")
	if a.has("level") && !slices.Contains([]string{"local", "majority", "linearizable", "available", "snapshot"}, g.readConcern) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'readConcern.level' is not a valid value.", g.readConcern)
	}
	switch {
	case a.has("atClusterTime") && (g.readConcern != "snapshot" || a.has("afterClusterTime")):
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern.atClusterTime may only be given with level 'snapshot', and without afterClusterTime")
	case a.has("atClusterTime") && timestampOf(a.get("atClusterTime")).T == 0:
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern.atClusterTime cannot be a null timestamp")
	case a.has("atClusterTime"):
		g.atTime = timestampOf(a.get("atClusterTime"))
	case a.has("afterClusterTime") && bsonx.Equal(a.get("afterClusterTime"), bsonx.Timestamp(0, 0)):
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern.afterClusterTime cannot be a null timestamp")
	case a.has("afterClusterTime"):
		g.afterTime = timestampOf(a.get("afterClusterTime"))
	}
	return nil
}

// onlyLevel returns the level of a read concern that is {level: …} and no more, as most are; "" for any other.
func onlyLevel(doc bson.Raw) string {
	it := bsonx.Elements(doc)
	if !it.Next() || string(it.Key()) != "level" || it.Left() != 1 || it.Value().Type != bson.TypeString {
		return ""
	}
	switch string(bsonx.StringBytes(it.Value())) {
	case "local":
		return "local"
	case "majority":
		return "majority"
	case "snapshot":
		return "snapshot"
	}
	return ""
}

var writeConcernFields = fields{"w": anything, "j": isFlag, "fsync": isFlag, "wtimeout": anything, "provenance": isProvenance,
	"getLastError": anything, "wOpTime": anything, "wElectionId": anything}

func (g *general) setWriteConcern(v bson.RawValue) error {
	if err := isDoc("writeConcern", v); err != nil {
		return err
	}
	g.hasWriteConcern = true
	for it := bsonx.Elements(v.Value); it.Next(); {
		name := string(it.Key())
		chk := writeConcernFields[name]
		if chk == nil {
			return mongoerr.New(unknownField, "BSON field 'writeConcern.%s' is an unknown field.", name)
		}
		if it.Value().Type == bson.TypeNull && name != "w" {
			continue
		}
		if err := chk("writeConcern."+name, it.Value()); err != nil {
			return err
		}
		if err := g.concern(name, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (g *general) concern(name string, v bson.RawValue) error {
	switch name {
	case "w":
		return g.setW(v)
	case "j":
		g.noReplyWait = g.noReplyWait || !bsonx.Truthy(v)
	case "wtimeout":
		if f, ok := bsonx.FloatOf(v); ok && math.Abs(f) > math.MaxInt32 {
			return mongoerr.New(mongoerr.FailedToParse, "wtimeout must be a 32-bit integer")
		}
	}
	return nil
}

// setW reads the number of members to wait for: this is the only one, so more can never be had.
func (g *general) setW(v bson.RawValue) error {
	f, isNumber := bsonx.FloatOf(v)
	if f = math.Trunc(f); v.Type == bson.TypeDecimal128 {
		f, _ = bsonx.FloatOf(v)
		f = math.RoundToEven(f)
	}
	switch {
	case isNumber && (math.IsNaN(f) || f < 0 || f > 50):
		return mongoerr.New(mongoerr.FailedToParse, "w has to be a non-negative number and not greater than 50; found: %v", f)
	case isNumber && f > 1, v.Type == bson.TypeString && v.StringValue() != "majority", v.Type == bson.TypeNull:
		g.tooMany = true
		return mongoerr.New(mongoerr.BadValue, "cannot wait for w: %s: this server is the only member; use 0, 1 or \"majority\"", v)
	case isNumber:
		g.noReplyWait = g.noReplyWait || f == 0
	case v.Type != bson.TypeString && !isTags(v):
		return mongoerr.New(mongoerr.FailedToParse, "w has to be a number, string, or object; found: %s", bsonx.TypeName(v.Type))
	}
	return nil
}

// isTags accepts {tag: number…}, which one member satisfies.
func isTags(v bson.RawValue) bool {
	if v.Type != bson.TypeEmbeddedDocument || bsonx.IsEmpty(v.Value) {
		return false
	}
	for it := bsonx.Elements(v.Value); it.Next(); {
		if !bsonx.IsNumber(it.Value()) {
			return false
		}
	}
	return true
}

func (g *general) setAPI(name string, v bson.RawValue) error {
	g.apiGiven = true
	if name == "apiVersion" {
		g.apiVersion = true
		if err := isString(name, v); err != nil {
			return err
		}
		if v.StringValue() != "1" {
			return mongoerr.New(mongoerr.APIVersionError, "API version must be \"1\"")
		}
		return nil
	}
	if name == "apiStrict" {
		g.apiStrict = bsonx.Truthy(v)
	}
	return isBool(name, v)
}

// needsAPIVersion is the code of a stable API field without apiVersion.
const needsAPIVersion = 4886600

// stable lists the commands of stable API version 1.
var stable = []string{"abortTransaction", "aggregate", "collMod", "commitTransaction", "count", "create", "createIndexes", "delete", "drop", "dropDatabase",
	"dropIndexes", "endSessions", "explain", "find", "findAndModify", "getMore", "hello", "insert", "killCursors", "listCollections", "listDatabases",
	"listIndexes", "ping", "refreshSessions", "saslContinue", "saslStart", "update"}

// checkGeneral refuses general fields that the command does not take.
func (r *request) checkGeneral() error {
	switch {
	case r.apiGiven && !r.apiVersion:
		return mongoerr.New(needsAPIVersion, "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion")
	case r.apiStrict && !slices.Contains(stable, r.name):
		return mongoerr.New(mongoerr.APIStrictError, "Provided apiStrict:true, but the command %s is not in API Version 1", r.name)
	case r.hasWriteConcern && r.cmd.onlyReads:
		return mongoerr.New(mongoerr.InvalidOptions, "Command does not support writeConcern: %s", r.name)
	case r.readConcern == "snapshot" && !r.autocommit && r.cmd.retryable:
		return mongoerr.New(mongoerr.InvalidOptions, "Command %s does not support {readConcern: {level: \"snapshot\"}} outside of a transaction", r.name)
	case r.readConcern == "snapshot" && !r.autocommit && !r.cmd.localReads && !r.cmd.snapshots:
		return mongoerr.New(mongoerr.InvalidOptions, "%s does not support {readConcern: {level: \"snapshot\"}} outside of a transaction", r.name)
	case r.hasReadConcern && !r.autocommit && r.cmd.localReads && r.readConcern != "" && r.readConcern != "local":
		return mongoerr.New(mongoerr.InvalidOptions, "%s does not support read concern level '%s'", r.name, r.readConcern)
	}
	return nil
}
