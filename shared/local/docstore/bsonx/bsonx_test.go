package bsonx_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

func raw(t testing.TB, json string) bson.Raw {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return d
}

func value(t testing.TB, json string) bson.RawValue {
	t.Helper()
	return bsonx.Lookup(raw(t, `{"v":`+json+`}`), "v")
}

func dec(s string) bson.RawValue {
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		panic(err)
	}
	return bsonx.Decimal(d)
}

// Property tests share generators, which rapid does not allow in parallel.

var numbers = rapid.OneOf(
	rapid.Map(rapid.SampledFrom([]int32{0, 1, -1, 10, math.MaxInt32, math.MinInt32}), bsonx.Int32),
	rapid.Map(rapid.SampledFrom([]int64{
		0, 1, -1, 1 << 53, 1<<53 + 1, -(1<<53 + 1), 1<<53 - 1, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1,
	}), bsonx.Int64),
	rapid.Map(rapid.SampledFrom([]float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, -0.1, 0.5, 1e15, 9.99, 1 << 53, 1 << 63, -(1 << 63), math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), 10,
	}), bsonx.Double),
	rapid.Map(rapid.SampledFrom([]string{
		"0", "-0", "0E+10", "1", "1.0", "1.00", "-1", "0.1", "-0.1", "0.5", "9.99", "10", "1E+1", "9007199254740993", "-9007199254740993",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1E-6176", "-1E-6176", "1E+400", "-1E+400", "1E+401",
		"9.999999999999999999999999999999999E+6144", "-9.999999999999999999999999999999999E+6144", "Infinity", "-Infinity", "NaN",
		"1.7976931348623157E+308", "1.7976931348623158E+308", "4.9E-324", "5E-324", "2E-324", "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257828",
	}), dec),
	rapid.Map(rapid.Int64(), bsonx.Int64),
	rapid.Map(rapid.Int32(), bsonx.Int32),
	rapid.Map(rapid.Float64(), bsonx.Double),
	rapid.Custom(func(t *rapid.T) bson.RawValue {
		d, ok := bson.ParseDecimal128FromBigInt(big.NewInt(rapid.Int64().Draw(t, "coefficient")), rapid.IntRange(-40, 40).Draw(t, "exponent"))
		if !ok {
			return bsonx.Int32(0)
		}
		return bsonx.Decimal(d)
	}),
)

var texts = rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00\x01é\xff")), 0, 4, -1)

func values(depth int) *rapid.Generator[bson.RawValue] {
	gens := []*rapid.Generator[bson.RawValue]{
		numbers, numbers,
		rapid.Map(texts, bsonx.String),
		rapid.Map(rapid.Bool(), bsonx.Bool),
		rapid.Map(rapid.Int64(), bsonx.DateTime),
		rapid.Map(rapid.Uint64(), func(u uint64) bson.RawValue { return bsonx.Timestamp(uint32(u>>32), uint32(u)) }),
		rapid.SampledFrom([]bson.RawValue{
			bsonx.Null, {Type: bson.TypeUndefined}, {Type: bson.TypeMinKey}, {Type: bson.TypeMaxKey},
			bsonx.ObjectID(bson.ObjectID{1}), bsonx.ObjectID(bson.ObjectID{0, 255}),
			{Type: bson.TypeBinary, Value: []byte{2, 0, 0, 0, 0, 7, 8}}, {Type: bson.TypeBinary, Value: []byte{2, 0, 0, 0, 5, 0, 0}},
			{Type: bson.TypeBinary, Value: []byte{0, 0, 0, 0, 0}},
			{Type: bson.TypeRegex, Value: []byte("ab\x00i\x00")}, {Type: bson.TypeRegex, Value: []byte("a\x00\x00")},
			{Type: bson.TypeJavaScript, Value: bsonx.String("f()").Value}, {Type: bson.TypeSymbol, Value: bsonx.String("a").Value},
		}),
	}
	if depth > 0 {
		gens = append(gens,
			rapid.Custom(func(t *rapid.T) bson.RawValue {
				return bsonx.ArrayOf(rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "items")...)
			}),
			rapid.Custom(func(t *rapid.T) bson.RawValue {
				b := bsonx.NewDoc(0)
				for _, v := range rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "fields") {
					b.Append(rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(t, "name"), v)
				}
				return b.Value()
			}))
	}
	return rapid.OneOf(gens...)
}

func TestKeysOrderAsCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := values(2).Draw(t, "a"), values(2).Draw(t, "b")
		want := bsonx.Compare(a, b)
		ka, kb := bsonx.AppendKey(nil, a, false), bsonx.AppendKey(nil, b, false)
		if got := bytes.Compare(ka, kb); got != want {
			t.Fatalf("keys of %v and %v compare %d, values %d\n%x\n%x", a, b, got, want, ka, kb)
		}
		da, db := bsonx.AppendKey(nil, a, true), bsonx.AppendKey(nil, b, true)
		if got := bytes.Compare(da, db); got != -want {
			t.Fatalf("descending keys of %v and %v compare %d, want %d", a, b, got, -want)
		}
		if want != 0 && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
			t.Fatalf("the key of %v begins that of %v", a, b)
		}
		if back := bsonx.Compare(b, a); back != -want {
			t.Fatalf("Compare(%v, %v) = %d, reversed %d", a, b, want, back)
		}
	})
}

// exact returns a finite number as a fraction, an oracle that shares no code with Compare.
func exact(v bson.RawValue) (*big.Rat, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return big.NewRat(int64(v.Int32()), 1), true
	case bson.TypeInt64:
		return big.NewRat(v.Int64(), 1), true
	case bson.TypeDouble:
		r := new(big.Rat).SetFloat64(v.Double())
		return r, r != nil
	}
	c, e, err := v.Decimal128().BigInt()
	if err != nil {
		return nil, false
	}
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e, -e))), nil)
	if e < 0 {
		return new(big.Rat).SetFrac(c, p), true
	}
	return new(big.Rat).SetInt(c.Mul(c, p)), true
}

func TestNumbersCompareExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		ra, okA := exact(a)
		rb, okB := exact(b)
		if !okA || !okB {
			t.Skip("not finite")
		}
		if got, want := bsonx.Compare(a, b), ra.Cmp(rb); got != want {
			t.Fatalf("Compare(%v, %v) = %d, want %d", a, b, got, want)
		}
	})
}

func TestTypesOrder(t *testing.T) {
	t.Parallel()
	order := []string{
		`{"$minKey":1}`, `{"$undefined":true}`, `null`, `{"$numberDouble":"NaN"}`, `{"$numberDouble":"-Infinity"}`, `-1`, `{"$numberDecimal":"9.99"}`, `9.99`, `10`,
		`""`, `"a"`, `{}`, `{"a":1}`, `[]`, `[1]`, `{"$binary":{"base64":"","subType":"00"}}`, `{"$oid":"000000000000000000000001"}`, `false`, `true`,
		`{"$date":{"$numberLong":"0"}}`, `{"$timestamp":{"t":0,"i":1}}`, `{"$regularExpression":{"pattern":"a","options":""}}`, `{"$code":"f"}`, `{"$maxKey":1}`,
	}
	for i := range order {
		for j := range order {
			a, b := value(t, order[i]), value(t, order[j])
			want := cmpInt(i, j)
			if order[i] == `{"$numberDecimal":"9.99"}` && order[j] == `9.99` || order[j] == `{"$numberDecimal":"9.99"}` && order[i] == `9.99` {
				want = -bsonx.Compare(b, a) // unequal; which is larger depends on the double
				if want == 0 {
					t.Errorf("9.99 and Decimal128 9.99 are equal")
				}
			}
			if got := bsonx.Compare(a, b); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", order[i], order[j], got, want)
			}
		}
	}
	if bsonx.Compare(bsonx.Missing, bsonx.Null) != -1 {
		t.Error("missing does not precede null")
	}
}

func cmpInt(a, b int) int { return strings.Compare(strconv.Itoa(a+100), strconv.Itoa(b+100)) }

func TestEqualNumbersHaveEqualKeys(t *testing.T) {
	t.Parallel()
	for _, group := range [][]bson.RawValue{
		{bsonx.Int32(1), bsonx.Int64(1), bsonx.Double(1), dec("1"), dec("1.0"), dec("1.00"), dec("0.1E1")},
		{bsonx.Int32(0), bsonx.Double(math.Copysign(0, -1)), dec("0"), dec("-0"), dec("0E+3")},
		{bsonx.Double(math.NaN()), dec("NaN"), dec("-NaN")},
		{bsonx.Double(math.Inf(1)), dec("Infinity")},
		{bsonx.Int64(1<<53 + 1), dec("9007199254740993")},
		{bsonx.Double(0.5), dec("0.5"), dec("0.50")},
	} {
		for _, v := range group {
			if a, b := bsonx.AppendKey(nil, group[0], false), bsonx.AppendKey(nil, v, false); !bytes.Equal(a, b) {
				t.Errorf("%v has key %x, %v has %x", group[0], a, v, b)
			}
		}
	}
}

func TestIterAgreesWithDriver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bsonx.NewDoc(0)
		for i, v := range rapid.SliceOfN(values(2), 0, 6).Draw(t, "values") {
			b.Append("k"+strconv.Itoa(i), v)
		}
		doc := b.Raw()
		if err := doc.Validate(); err != nil {
			t.Fatalf("built a wrong document: %v", err)
		}
		want, err := doc.Elements()
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for it := bsonx.Elements(doc); it.Next(); i++ {
			if string(it.Key()) != want[i].Key() || !it.Value().Equal(want[i].Value()) {
				t.Fatalf("element %d is %s: %v, want %v", i, it.Key(), it.Value(), want[i])
			}
		}
		if i != len(want) {
			t.Fatalf("%d elements, want %d", i, len(want))
		}
	})
}

func TestIterEndsOnMalformedBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		for it := bsonx.Elements(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")); it.Next(); n++ {
		}
		if n > 40 {
			t.Fatal("more elements than bytes")
		}
	})
}

func TestIndexKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc, fields string // comma-separated; - for descending
		sparse      bool
		want        []string // tuples as text
		multikey    bool
		code        int32
	}{
		{doc: `{"a":1}`, fields: "a", want: []string{"1"}},
		{doc: `{}`, fields: "a", want: []string{"missing"}},
		{doc: `{}`, fields: "a", sparse: true},
		{doc: `{"a":null}`, fields: "a", sparse: true, want: []string{"null"}},
		{doc: `{"b":1}`, fields: "a,b", sparse: true, want: []string{"missing,1"}},
		{doc: `{"a":[1,2,1]}`, fields: "a", want: []string{"1", "2", "1"}, multikey: true},
		{doc: `{"a":[]}`, fields: "a", want: []string{"undefined"}, multikey: true},
		{doc: `{"a":[]}`, fields: "a.b", want: []string{"missing"}, multikey: true},
		{doc: `{"a":[{"b":1},{"b":2},{}]}`, fields: "a.b", want: []string{"1", "2", "missing"}, multikey: true},
		{doc: `{"a":[{"b":1},{}]}`, fields: "a.b", sparse: true, want: []string{"1"}, multikey: true},
		{doc: `{"a":[{"b":1,"c":2},{"b":3,"c":4}]}`, fields: "a.b,a.c", want: []string{"1,2", "3,4"}, multikey: true},
		{doc: `{"a":[{"b":[1,2]},{"b":3}]}`, fields: "a.b", want: []string{"1", "2", "3"}, multikey: true},
		{doc: `{"a":[[1,2],3]}`, fields: "a", want: []string{"[1,2]", "3"}, multikey: true},
		{doc: `{"a":[1,2],"c":5}`, fields: "a,c", want: []string{"1,5", "2,5"}, multikey: true},
		{doc: `{"a":[1],"b":[2]}`, fields: "a,b", code: mongoerr.CannotIndexParallelArrays},
		{doc: `{"a":[{"b":[1],"c":[2]}]}`, fields: "a.b,a.c", code: mongoerr.CannotIndexParallelArrays},
		{doc: `{"a":[5,7]}`, fields: "a.1", want: []string{"7"}},
		{doc: `{"a":[{"b":1}]}`, fields: "a.0.b", want: []string{"1"}},
		{doc: `{"a":5}`, fields: "a.b", want: []string{"missing"}},
	} {
		var fields []bsonx.IndexField
		for _, f := range strings.Split(c.fields, ",") {
			fields = append(fields, bsonx.IndexField{Path: f})
		}
		tuples, multikey, err := bsonx.IndexValues(raw(t, c.doc), fields, c.sparse)
		if mongoerr.CodeOf(err) != c.code {
			t.Errorf("%s on %s: %v, want code %d", c.fields, c.doc, err, c.code)
			continue
		}
		var got []string
		for _, tuple := range tuples {
			var parts []string
			for _, v := range tuple {
				parts = append(parts, text(v))
			}
			got = append(got, strings.Join(parts, ","))
		}
		if d := cmp.Diff(c.want, got); d != "" || multikey != c.multikey {
			t.Errorf("%s on %s: multikey %v\n%s", c.fields, c.doc, multikey, d)
		}
	}
}

func text(v bson.RawValue) string {
	switch v.Type {
	case 0:
		return "missing"
	case bson.TypeUndefined:
		return "undefined"
	case bson.TypeArray:
		var parts []string
		for _, e := range bsonx.Values(v) {
			parts = append(parts, text(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case bson.TypeInt32:
		return strconv.Itoa(int(v.Int32()))
	}
	return v.String()
}

// TestIndexKeysAreThoseOfTheTuples holds the quick way for documents without arrays to the general one.
func TestIndexKeysAreThoseOfTheTuples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bsonx.NewDoc(0)
		for _, name := range []string{"a", "c"} {
			if rapid.Bool().Draw(t, "has "+name) {
				b.Append(name, values(2).Draw(t, name))
			}
		}
		doc, sparse := b.Raw(), rapid.Bool().Draw(t, "sparse")
		fields := []bsonx.IndexField{{Path: "a.b", Desc: rapid.Bool().Draw(t, "desc")}, {Path: rapid.SampledFrom([]string{"a", "c"}).Draw(t, "second")}}
		tuples, wantMulti, wantErr := bsonx.IndexValues(doc, fields, sparse)
		keys, multi, err := bsonx.IndexKeys(doc, fields, sparse)
		if (err != nil) != (wantErr != nil) || multi != wantMulti {
			t.Fatalf("%v: multikey %v, %v; want %v, %v", doc, multi, err, wantMulti, wantErr)
		}
		want := map[string]bool{}
		for _, tuple := range tuples {
			want[string(bsonx.TupleKey(nil, tuple, fields))] = true
		}
		for _, k := range keys {
			if !want[string(k)] {
				t.Fatalf("%v has the key %x, which no tuple has", doc, k)
			}
		}
		if err == nil && len(keys) != len(want) {
			t.Fatalf("%v has %d keys, want %d", doc, len(keys), len(want))
		}
	})
}

func BenchmarkIndexKeys(b *testing.B) {
	doc := raw(b, `{"_id":1,"tenant":"t1","status":"open","at":{"$date":"2026-01-01T00:00:00Z"},"n":5}`)
	fields := []bsonx.IndexField{{Path: "tenant"}, {Path: "status"}, {Path: "at", Desc: true}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := bsonx.IndexKeys(doc, fields, false); err != nil {
			b.Fatal(err)
		}
	}
}

func TestIndexKeysAreDistinctAndSorted(t *testing.T) {
	t.Parallel()
	keys, _, err := bsonx.IndexKeys(raw(t, `{"a":[3,1,{"$numberLong":"1"},{"$numberDouble":"1.0"}]}`), []bsonx.IndexField{{Path: "a"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Fatalf("keys %s", hex.EncodeToString(bytes.Join(keys, []byte{'|'})))
	}
}

func TestSortKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		desc bool
		docs []string // in the order wanted
	}{
		{"v", false, []string{`{"v":5}`, `{"v":[10,30]}`, `{"v":12}`, `{"v":[25,20,15]}`}},
		{"v", true, []string{`{"v":[10,30]}`, `{"v":[25,20,15]}`, `{"v":12}`, `{"v":5}`}},
		{"v", false, []string{`{"v":{"$minKey":1}}`, `{"v":[]}`, `{"v":null}`, `{"v":1}`}},
		{"v", false, []string{`{"v":{"a":1}}`, `{"v":[[1,2]]}`}},
		{"a.b", false, []string{`{"a":[{"b":25},{"b":5}]}`, `{"a":[{"b":20},{"b":15}]}`}},
		{"a.b", true, []string{`{"a":[{"b":25},{"b":5}]}`, `{"a":[{"b":20},{"b":15}]}`, `{"a":1}`}},
	} {
		fields := []bsonx.IndexField{{Path: c.path, Desc: c.desc}}
		for i := 1; i < len(c.docs); i++ {
			a, b := sortKey(t, raw(t, c.docs[i-1]), fields), sortKey(t, raw(t, c.docs[i]), fields)
			if bytes.Compare(a, b) >= 0 {
				t.Errorf("%s desc=%v: %s does not precede %s", c.path, c.desc, c.docs[i-1], c.docs[i])
			}
		}
	}
}

func TestCompoundSortTakesOneElement(t *testing.T) {
	t.Parallel()
	fields := []bsonx.IndexField{{Path: "a.b"}, {Path: "a.c"}}
	first, second := raw(t, `{"a":[{"b":1,"c":2}]}`), raw(t, `{"a":[{"b":1,"c":9},{"b":2,"c":0}]}`)
	if bytes.Compare(sortKey(t, first, fields), sortKey(t, second, fields)) >= 0 {
		t.Error("fields of one array were taken from different elements")
	}
	if _, err := bsonx.SortKey(nil, raw(t, `{"a":[1],"b":[2]}`), []bsonx.IndexField{{Path: "a"}, {Path: "b"}}); mongoerr.CodeOf(err) != mongoerr.BadValue {
		t.Errorf("parallel arrays: %v", err)
	}
}

func sortKey(t *testing.T, doc bson.Raw, fields []bsonx.IndexField) []byte {
	t.Helper()
	key, err := bsonx.SortKey(nil, doc, fields)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestSortKeyAgreesWithItsFields: without arrays a joined key is the keys of the fields one after the other.
func TestSortKeyAgreesWithItsFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := values(0).Draw(t, "a"), values(0).Draw(t, "b")
		doc := bsonx.NewDoc(0).Append("x", bsonx.NewDoc(0).Append("y", a).Value()).Append("z", b).Raw()
		got, err := bsonx.SortKey([]byte("p"), doc, []bsonx.IndexField{{Path: "x.y"}, {Path: "z", Desc: true}})
		if err != nil {
			t.Fatal(err)
		}
		want := bsonx.AppendKey(bsonx.AppendKey([]byte("p"), a, false), b, true)
		if !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

func TestSortKeyAgreesWithCompareSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, desc := values(2).Draw(t, "a"), values(2).Draw(t, "b"), rapid.Bool().Draw(t, "desc")
		want := bsonx.CompareSort(a, b, desc)
		if got := bytes.Compare(bsonx.AppendSortKey(nil, a, desc), bsonx.AppendSortKey(nil, b, desc)); got != want {
			t.Fatalf("sort keys of %v and %v, desc %v, compare %d, want %d", a, b, desc, got, want)
		}
	})
}

func TestDecimalArithmetic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, op, b, want string }{
		{"1", "+", "2.50", "3.50"},
		{"9.999999999999999999999999999999999E+6144", "+", "9.999999999999999999999999999999999E+6144", "Infinity"},
		{"1E+6144", "*", "10", "Infinity"},
		{"1E-6176", "*", "0.1", "0E-6176"},
		{"1234567890123456789012345678901234", "+", "0.5", "1234567890123456789012345678901234"},
		{"1234567890123456789012345678901235", "+", "0.5", "1234567890123456789012345678901236"},
		{"Infinity", "+", "-Infinity", "NaN"},
		{"Infinity", "*", "0", "NaN"},
		{"-2", "*", "3.0", "-6.0"},
		{"-1", "*", "0", "-0"},
	} {
		f := bsonx.AddDecimal
		if c.op == "*" {
			f = bsonx.MulDecimal
		}
		if got := f(dec(c.a), dec(c.b)).Decimal128().String(); got != c.want {
			t.Errorf("%s %s %s = %s, want %s", c.a, c.op, c.b, got, c.want)
		}
	}
	if got := bsonx.AddDecimal(bsonx.Double(10.5), dec("2.5")).Decimal128().String(); got != "13.0000000000000" {
		t.Errorf("10.5 + 2.5m = %s", got)
	}
}

func TestDecimalSumsAreExactWhenTheyFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		ra, okA := exact(a)
		rb, okB := exact(b)
		if !okA || !okB || a.Type == bson.TypeDouble || b.Type == bson.TypeDouble {
			t.Skip("a double is rounded first")
		}
		sum := bsonx.AddDecimal(a, b)
		got, ok := exact(sum)
		want := new(big.Rat).Add(ra, rb)
		if !ok {
			return // overflow to infinity has its own case
		}
		// The error of one rounding is at most half a unit in the 34th digit.
		limit := new(big.Rat).Mul(new(big.Rat).Abs(want), new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(33), nil)))
		if diff := new(big.Rat).Sub(got, want); diff.Abs(diff).Cmp(limit) > 0 {
			t.Fatalf("%v + %v = %v", a, b, sum)
		}
	})
}

func TestCompareAllocatesNothing(t *testing.T) {
	for _, pair := range [][2]bson.RawValue{
		{bsonx.Int32(1), bsonx.Int64(2)}, {bsonx.Int64(1), bsonx.Double(2)}, {bsonx.String("a"), bsonx.String("b")},
		{dec("1.5"), dec("1.50")}, {dec("1.5"), bsonx.Int32(1)}, {value(t, `{"a":[1,"x"]}`), value(t, `{"a":[1,"y"]}`)},
	} {
		if n := testing.AllocsPerRun(100, func() { bsonx.Compare(pair[0], pair[1]) }); n != 0 {
			t.Errorf("Compare(%v, %v) allocates %v times", pair[0], pair[1], n)
		}
	}
}

func BenchmarkAppendKeyDecimal(b *testing.B) {
	v := dec("12345.67")
	var buf []byte
	for b.Loop() {
		buf = bsonx.AppendKey(buf[:0], v, false)
	}
}
