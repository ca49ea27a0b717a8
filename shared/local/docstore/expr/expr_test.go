package expr_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// value parses {"v": text} in Extended JSON.
func value(t *testing.T, text string) bson.RawValue {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+text+`}`), false, &d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return bsonx.Lookup(d, "v")
}

func eval(t *testing.T, text, doc string) (bson.RawValue, error) {
	t.Helper()
	e, err := expr.Compile(value(t, text), nil)
	if err != nil {
		return bson.RawValue{}, err
	}
	return e.Eval(&expr.Env{Now: time.UnixMilli(1700000000000)}, value(t, doc).Value)
}

func TestEval(t *testing.T) {
	t.Parallel()
	const doc = `{"a":[{"b":1},{},{"b":2}],"n":7,"s":"héllo","d":{"$date":"2021-03-14T06:30:00Z"},"nul":null,"o":{"x":{"y":3}},"big":2147483647}`
	for name, c := range map[string]struct{ expr, want string }{
		"path maps arrays":               {`"$a.b"`, `[1,2]`},
		"deep path":                      {`"$o.x.y"`, `3`},
		"int overflow becomes long":      {`{"$add":["$big",1]}`, `{"$numberLong":"2147483648"}`},
		"missing is below null":          {`{"$cmp":["$missing",null]}`, `-1`},
		"missing differs from null":      {`{"$eq":["$missing",null]}`, `false`},
		"null is null":                   {`{"$eq":["$nul",null]}`, `true`},
		"ifNull of a mapped path":        {`{"$ifNull":["$a.c","x"]}`, `[]`},
		"half to even":                   {`[{"$round":[10.5]},{"$round":[11.5]},{"$round":[1.25,1]}]`, `[10.0,12.0,1.2]`},
		"empty string is true":           {`{"$cond":["",1,2]}`, `1`},
		"negative zero is false":         {`{"$cond":[-0.0,1,2]}`, `2`},
		"last duplicate wins":            {`{"$arrayToObject":[[{"k":"a","v":1},{"k":"a","v":2}]]}`, `{"a":2}`},
		"code points":                    {`{"$substrCP":["$s",1,3]}`, `"éll"`},
		"let does not leak":              {`{"$let":{"vars":{"x":1,"y":{"$let":{"vars":{"z":5},"in":"$$z"}}},"in":{"$add":["$$x","$$y"]}}}`, `6`},
		"map in reduce":                  {`{"$reduce":{"input":{"$map":{"input":[1,2,3],"as":"i","in":{"$multiply":["$$i","$n"]}}},"initialValue":0,"in":{"$add":["$$value","$$this"]}}}`, `42`},
		"filter with limit":              {`{"$filter":{"input":[1,2,3,4],"cond":{"$gt":["$$this",1]},"limit":2}}`, `[2,3]`},
		"set by equality of numbers":     {`{"$size":{"$setUnion":[[1,{"$numberLong":"1"},1.0],[2]]}}`, `2`},
		"month end":                      {`{"$dateAdd":{"startDate":{"$date":"2020-01-31T00:00:00Z"},"unit":"month","amount":1}}`, `{"$date":"2020-02-29T00:00:00Z"}`},
		"a day over spring is 23 hours":  {`{"$dateAdd":{"startDate":"$d","unit":"day","amount":1,"timezone":"America/New_York"}}`, `{"$date":"2021-03-15T05:30:00Z"}`},
		"24 hours over spring":           {`{"$dateAdd":{"startDate":"$d","unit":"hour","amount":24,"timezone":"America/New_York"}}`, `{"$date":"2021-03-15T06:30:00Z"}`},
		"boundaries of years":            {`{"$dateDiff":{"startDate":{"$date":"2010-01-01T00:00:00Z"},"endDate":{"$date":"2011-06-30T00:00:00Z"},"unit":"year"}}`, `{"$numberLong":"1"}`},
		"weeks from Sunday":              {`{"$dateDiff":{"startDate":{"$date":"2021-01-01T00:00:00Z"},"endDate":{"$date":"2021-01-31T00:00:00Z"},"unit":"week"}}`, `{"$numberLong":"5"}`},
		"weeks from Monday":              {`{"$dateDiff":{"startDate":{"$date":"2021-01-01T00:00:00Z"},"endDate":{"$date":"2021-01-31T00:00:00Z"},"unit":"week","startOfWeek":"mon"}}`, `{"$numberLong":"4"}`},
		"bins of two hours":              {`{"$dateTrunc":{"date":{"$date":"2021-03-20T11:30:00Z"},"unit":"hour","binSize":2}}`, `{"$date":"2021-03-20T10:00:00Z"}`},
		"week of Monday":                 {`{"$dateTrunc":{"date":{"$date":"2021-03-20T11:30:00Z"},"unit":"week","startOfWeek":"monday"}}`, `{"$date":"2021-03-15T00:00:00Z"}`},
		"local month":                    {`{"$dateToString":{"date":{"$date":"2021-06-30T23:00:00Z"},"format":"%Y-%m","timezone":"Europe/Berlin"}}`, `"2021-07"`},
		"parse a date":                   {`{"$dateFromString":{"dateString":"2017-02-08T12:10:40.787","timezone":"America/New_York"}}`, `{"$date":"2017-02-08T17:10:40.787Z"}`},
		"dead branch of a switch":        {`{"$switch":{"branches":[{"case":true,"then":"ok"},{"case":{"$divide":[1,0]},"then":1}]}}`, `"ok"`},
		"regex finds code points":        {`{"$regexFind":{"input":"$s","regex":"l+"}}`, `{"match":"ll","idx":2,"captures":[]}`},
		"convert with onError":           {`{"$convert":{"input":"abc","to":"int","onError":-1}}`, `-1`},
		"decimal compares exactly":       {`{"$lt":[{"$numberDecimal":"9.99"},9.99]}`, `true`},
		"remove leaves the field out":    {`{"x":"$$REMOVE","y":1}`, `{"y":1}`},
		"now":                            {`"$$NOW"`, `{"$date":{"$numberLong":"1700000000000"}}`},
		"sortArray does not open arrays": {`{"$sortArray":{"input":[{"a":[3,1]},{"a":[2]}],"sortBy":{"a":1}}}`, `[{"a":[2]},{"a":[3,1]}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := eval(t, c.expr, doc)
			if err != nil {
				t.Fatal(err)
			}
			if want := value(t, c.want); got.Type != want.Type || string(got.Value) != string(want.Value) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestEvalErrors(t *testing.T) {
	t.Parallel()
	for text, code := range map[string]int32{
		`{"$nope":1}`:                                    mongoerr.InvalidPipelineOperator,
		`{"$divide":[1,0]}`:                              2,
		`{"$mod":["$n",0]}`:                              16610,
		`{"$concat":[42,null]}`:                          16702,
		`"$$undefined"`:                                  17276,
		`{"$toInt":"abc"}`:                               mongoerr.ConversionFailure,
		`{"$add":[{"$numberDecimal":"1"},1]}`:            mongoerr.NotImplemented,
		`{"$dateTrunc":{"date":"$$NOW","unit":"weeks"}}`: 9,
		`{"$hour":{"date":"$$NOW","timezone":5}}`:        40517,
		`{"$hour":{"date":"$$NOW","timezone":"Nope"}}`:   40485,
		`{"$regexMatch":{"input":"a","regex":"(?=a)a"}}`: mongoerr.NotImplemented,
		`"$a..b"`: 15998,
	} {
		if _, err := eval(t, text, `{"n":1}`); mongoerr.CodeOf(err) != code {
			t.Errorf("%s: got %v, want code %d", text, err, code)
		}
	}
}

// The variables of nested scopes never overwrite each other, wherever they are defined.
func TestScopes(t *testing.T) {
	t.Parallel()
	scope, slot := expr.NewScope().Define("limit")
	e, err := expr.Compile(value(t, `{"$map":{"input":[1,2],"as":"i","in":{"$let":{"vars":{"j":{"$add":["$$i","$$limit"]}},"in":["$$i","$$j","$$limit"]}}}}`), scope)
	if err != nil {
		t.Fatal(err)
	}
	env := &expr.Env{}
	env.Set(slot, bsonx.Int32(10))
	got, err := e.Eval(env, bsonx.NewDoc(0).Raw())
	if want := value(t, `[[1,11,10],[2,12,10]]`); err != nil || !bsonx.Equal(got, want) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := expr.CompileWithoutDocument(value(t, `"$a"`), scope); mongoerr.CodeOf(err) != 4890500 {
		t.Errorf("a field path without a document: %v", err)
	}
}

// Sums of integers are exact whatever the order, and become doubles only where they do not fit a long.
func TestSummationIsExact(t *testing.T) {
	t.Parallel()
	const seed = 20240607
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	overflowed := 0
	for range 500 {
		var s expr.Summation
		want := new(big.Int)
		for range 1 + random.IntN(40) {
			i := random.Int64() >> random.IntN(63)
			if random.IntN(2) == 0 {
				i = -i
			}
			s.Add(bsonx.Int64(i))
			want.Add(want, big.NewInt(i))
		}
		got := s.Value()
		if want.IsInt64() {
			if got.Type != bson.TypeInt64 || got.Int64() != want.Int64() {
				t.Fatalf("got %s, want %s", got, want)
			}
			continue
		}
		overflowed++
		f, _ := new(big.Float).SetInt(want).Float64()
		if got.Type != bson.TypeDouble || math.Abs(got.Double()-f) > math.Abs(f)*1e-15 {
			t.Fatalf("got %s, want %v", got, f)
		}
	}
	if overflowed == 0 {
		t.Error("no sum overflowed: the test does not reach the doubles")
	}
}

// Doubles are summed with compensation: a plain sum of these is wrong in the last digits.
func TestSummationCompensates(t *testing.T) {
	t.Parallel()
	var s expr.Summation
	plain := 0.0
	for range 1000 {
		s.Add(bsonx.Double(0.1))
		plain += 0.1
	}
	if got := s.Value().Double(); got != 100 || plain == 100 {
		t.Errorf("got %v (a plain sum gives %v), want 100", got, plain)
	}
}
