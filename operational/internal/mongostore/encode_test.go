package mongostore

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

// A type that is defined by another one has none of its methods: these are encoded by reflection.
type (
	reflectedEvent   eventDoc
	reflectedProfile profileDoc
	reflectedFact    factDoc
	reflectedDay     dayDoc
	reflectedStirred stirredDoc
)

// TestDocumentsEncodeAsTheirTagsSay: with every field set, with none, and with each one alone, so that a field that was
// added to a document and forgotten in its encoding shows.
func TestDocumentsEncodeAsTheirTagsSay(t *testing.T) {
	t.Parallel()
	check(t, func(d *eventDoc) any { return (*reflectedEvent)(d) })
	check(t, func(d *profileDoc) any { return (*reflectedProfile)(d) })
	check(t, func(d *factDoc) any { return (*reflectedFact)(d) })
	check(t, func(d *dayDoc) any { return (*reflectedDay)(d) })
	check(t, func(d *stirredDoc) any { return (*reflectedStirred)(d) })
}

func check[D any, P interface {
	*D
	encoder
}](t *testing.T, reflected func(P) any) {
	t.Helper()
	compare := func(what string, d P) {
		t.Helper()
		got, err := encoded(2, func(int) (encoder, error) { return d, nil })
		if err != nil {
			t.Fatalf("%T with %s: %v", d, what, err)
		}
		want, err := bson.Marshal(reflected(d))
		if err != nil || !bytes.Equal(got[0], want) || !bytes.Equal(got[1], want) {
			t.Errorf("%T with %s: %v\ngot  %s\nand  %s\nwant %s", d, what, err, got[0], got[1], bson.Raw(want))
		}
	}
	var none, every D
	compare("no field", P(&none))
	kind := reflect.TypeFor[D]()
	for i := range kind.NumField() {
		var one D
		for _, d := range []P{&one, &every} {
			fill(t, reflect.ValueOf(d).Elem().Field(i))
		}
		compare("only "+kind.Field(i).Name, P(&one))
	}
	compare("every field", P(&every))
}

// fill gives a field a value that its encoding cannot leave out.
func fill(t *testing.T, field reflect.Value) {
	t.Helper()
	n, f := int64(-1<<40), 11.5
	at := time.Date(1997, 3, 1, 12, 30, 0, 123e6, time.UTC)
	for _, v := range []any{at, &at, &n, &f, &rowDoc{Run: "r", Row: 7}, seenAt{Partition: 3, Position: n}, []stirredDay{},
		[]stirredDay{{}, {Day: "1997-03-01", Who: []identity.Key{"a", "b"}}}, []askedDoc{}, []askedDoc{{}, {Directive: "d", Revision: 3, Purposes: []contract.Purpose{"p", "q"}}}, bson.D{}, bson.D{
			{Key: "text", Value: "Käte"}, {Key: "long", Value: n}, {Key: "double", Value: f}, {Key: "flag", Value: true}, {Key: "nothing", Value: nil},
			{Key: "amount", Value: bson.D{{Key: "currency", Value: "USD"}, {Key: "minor", Value: int64(5)}}}, {Key: "list", Value: bson.A{int64(1), "x", bson.D{}}},
			{Key: "origin", Value: originDoc{Value: bson.D{{Key: "minor", Value: n}}, At: at, Source: "shop", Purposes: []contract.Purpose{"p"}}},
		}} {
		if v := reflect.ValueOf(v); v.Type() == field.Type() {
			field.Set(v)
		}
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString("text")
	case reflect.Int, reflect.Int64:
		field.SetInt(5)
	}
	if field.IsZero() {
		t.Fatalf("the test does not know how to set a %s", field.Type())
	}
}
