package replay

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// verdict is what a case came to.
type verdict uint8

const (
	pass verdict = iota
	unsupported
	wrong
	silent  // a set-up command failed as it did not in MongoDB, by our own explicit error
	excused // wrong, for a reason that is listed
)

// refusals are the codes by which the store says that it does not do something: NotImplemented, and MongoDB's own codes
// for a command, stage, expression or accumulator it does not know.
var refusals = []int32{238, 59, 40324, 168, 31325, 15952, 115}

// judge compares a reply with what MongoDB answered; the text says what differs.
func (c *testCase) judge(reply bson.Raw) (verdict, string) {
	got := code(reply)
	want := int32(0)
	if c.Expect.Code != nil {
		want = *c.Expect.Code
	}
	switch {
	case want != 0 && got == want:
		return pass, ""
	case got != 0 && got != want && slices.Contains(refusals, got):
		return unsupported, short(reply)
	case want != 0:
		return wrong, fmt.Sprintf("want code %d, got %s", want, short(reply))
	case got != 0 && c.Expect.Reply.Type == 0 && c.Expect.Partial.Type == 0:
		return wrong, "want documents, got " + short(reply)
	}
	return c.Expect.compare(reply)
}

func short(reply bson.Raw) string {
	s := reply.String()
	return s[:min(len(s), 1500)]
}

func (e *expectation) compare(reply bson.Raw) (verdict, string) {
	switch {
	case e.Docs.Type != 0 && e.Contained:
		got := reply.Lookup("cursor", "firstBatch")
		if e.AnyOrder {
			return contains(sorted(e.Docs), sorted(got))
		}
		return contains(e.Docs, got)
	case e.Docs.Type != 0:
		got := reply.Lookup("cursor", "firstBatch")
		return e.same(e.items(e.Docs), e.items(got))
	case e.Reply.Type != 0:
		return e.same(e.fields(e.Reply), e.fields(bsonx.Document(reply)))
	default:
		return contains(e.Partial, bsonx.Document(reply))
	}
}

// contains reports whether got has everything that want has, at every depth.
func contains(want, got bson.RawValue) (verdict, string) {
	if within(want, got) {
		return pass, ""
	}
	return wrong, fmt.Sprintf("want at least %s\n     got %s", want, got)
}

// sorted orders an array's documents by their names, which is all that tells collections apart.
func sorted(v bson.RawValue) bson.RawValue {
	items := bsonx.Values(v)
	slices.SortFunc(items, func(a, b bson.RawValue) int {
		return bsonx.Compare(bsonx.Lookup(a.Value, "name"), bsonx.Lookup(b.Value, "name"))
	})
	return bsonx.ArrayOf(items...)
}

func within(want, got bson.RawValue) bool {
	if want.Type != got.Type {
		return false
	}
	if want.Type != bson.TypeEmbeddedDocument && want.Type != bson.TypeArray {
		return (&expectation{}).canonical(want, false) == (&expectation{}).canonical(got, false)
	}
	for it := bsonx.Items(want); it.Next(); {
		if !within(it.Value(), bsonx.Lookup(got.Value, string(it.Key()))) {
			return false
		}
	}
	return want.Type == bson.TypeEmbeddedDocument || bsonx.Len(want.Value) == bsonx.Len(got.Value)
}

func (e *expectation) same(want, got []string) (verdict, string) {
	if slices.Equal(want, got) {
		return pass, ""
	}
	return wrong, fmt.Sprintf("want %s\n     got %s", strings.Join(want, " "), strings.Join(got, " "))
}

// items returns the canonical texts of an array's documents, sorted where their order does not count.
func (e *expectation) items(v bson.RawValue) []string {
	var out []string
	for it := bsonx.Items(v); it.Next(); {
		out = append(out, e.canonical(it.Value(), false))
	}
	if e.AnyOrder {
		slices.Sort(out)
	}
	return out
}

// volatile fields of a reply say nothing about the command.
var volatile = []string{"$clusterTime", "operationTime", "electionId", "opTime"}

// fields returns the canonical texts of a document's fields, sorted.
func (e *expectation) fields(v bson.RawValue) []string {
	var out []string
	for it := bsonx.Items(v); it.Next(); {
		name := string(it.Key())
		if slices.Contains(volatile, name) {
			continue
		}
		out = append(out, name+":"+e.canonical(it.Value(), e.AnyOrderIn[name]))
	}
	slices.Sort(out)
	return out
}

// canonical is a text that is equal for equal values: fields by name, NaN by type alone.
func (e *expectation) canonical(v bson.RawValue, anyOrder bool) string {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return "{" + strings.Join(e.fields(v), ",") + "}"
	case bson.TypeArray:
		var out []string
		for it := bsonx.Items(v); it.Next(); {
			out = append(out, e.canonical(it.Value(), false))
		}
		if anyOrder {
			slices.Sort(out)
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	if bsonx.IsNaN(v) {
		return bsonx.TypeName(v.Type) + " NaN"
	}
	return v.String()
}
