package expr

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// memoryLimit bounds what one expression builds, as MongoDB's 100 MB limit does.
const memoryLimit = 100 << 20

func opArrayElemAt(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	arr, idx := args[0], args[1]
	if bsonx.IsNullish(arr) || bsonx.IsNullish(idx) {
		return bsonx.Null, nil
	}
	if arr.Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(28689, "$arrayElemAt's first argument must be an array, but is %s", TypeName(arr))
	}
	if !bsonx.IsNumber(idx) {
		return bsonx.Missing, mongoerr.New(28690, "$arrayElemAt's second argument must be a numeric value, but is %s", TypeName(idx))
	}
	i, ok := IntegralInt32(idx)
	if !ok {
		return bsonx.Missing, mongoerr.New(28691, "$arrayElemAt's second argument must be representable as a 32-bit integer: %s", idx)
	}
	return itemAt(arr, int(i)), nil
}

func itemAt(arr bson.RawValue, i int) bson.RawValue {
	if i < 0 {
		i += bsonx.Len(arr.Value)
	}
	if i < 0 {
		return bsonx.Missing
	}
	return bsonx.At(arr.Value, i)
}

// firstLast is $first or $last of an array.
func firstLast(name string, index int) operator {
	return operator{1, 1, func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if bsonx.IsNullish(args[0]) {
			return bsonx.Null, nil
		}
		if args[0].Type != bson.TypeArray {
			return bsonx.Missing, mongoerr.New(28689, "%s's argument must be an array, but is %s", name, TypeName(args[0]))
		}
		return itemAt(args[0], index), nil
	}}
}

func opConcatArrays(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	b := bsonx.NewArray(0)
	for _, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.Null, nil
		}
		if a.Type != bson.TypeArray {
			return bsonx.Missing, mongoerr.New(28664, "$concatArrays only supports arrays, not %s", TypeName(a))
		}
		walk(a.Value, func(_ []byte, v bson.RawValue) bool {
			b.Append(v)
			return true
		})
	}
	return b.Value(), nil
}

func opIn(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if args[1].Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(40081, "$in requires an array as a second argument, found: %s", TypeName(args[1]))
	}
	found := false
	walk(args[1].Value, func(_ []byte, v bson.RawValue) bool {
		found = Compare(args[0], v) == 0
		return !found
	})
	return bsonx.Bool(found), nil
}

func opIndexOfArray(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(40090, "$indexOfArray requires an array as a first argument, found: %s", TypeName(args[0]))
	}
	items := bsonx.Values(args[0])
	start, end, err := indexRange(args, len(items), "$indexOfArray", 9711600, 9711601)
	if err != nil {
		return bsonx.Missing, err
	}
	for i := start; i < end; i++ {
		if Compare(items[i], args[1]) == 0 {
			return bsonx.Int32(int32(i)), nil
		}
	}
	return bsonx.Int32(-1), nil
}

// indexRange reads the optional start and end of the $indexOf family, clamped to length.
func indexRange(args []bson.RawValue, length int, name string, notIntegral, negative int32) (start, end int, err error) {
	bounds := [2]int{0, length}
	for i, a := range args[2:] {
		n, ok := IntegralInt32(a)
		if !ok {
			return 0, 0, mongoerr.New(notIntegral, "%s requires an integral starting and ending index, found a value of type: %s", name, TypeName(a))
		}
		if n < 0 {
			return 0, 0, mongoerr.New(negative, "%s requires a nonnegative starting and ending index, found: %d", name, n)
		}
		bounds[i] = int(n)
	}
	return bounds[0], min(bounds[1], length), nil
}

func opIsArray(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	return bsonx.Bool(args[0].Type == bson.TypeArray), nil
}

func opSize(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if args[0].Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(17124, "The argument to $size must be an array, but was of type: %s", TypeName(args[0]))
	}
	return bsonx.Int32(int32(bsonx.Len(args[0].Value))), nil
}

func opReverseArray(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(34435, "The argument to $reverseArray must be an array, but was of type: %s", TypeName(args[0]))
	}
	items := bsonx.Values(args[0])
	slices.Reverse(items)
	return bsonx.ArrayOf(items...), nil
}

func opRange(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	bounds := [3]int64{0, 0, 1}
	what := [3]string{"starting value", "ending value", "step value"}
	for i, a := range args {
		if !bsonx.IsNumber(a) {
			return bsonx.Missing, mongoerr.New(34443+int32(2*i), "$range requires a numeric %s, found value of type: %s", what[i], TypeName(a))
		}
		n, ok := IntegralInt32(a)
		if !ok {
			return bsonx.Missing, mongoerr.New(34444+int32(2*i), "$range requires a %s that can be represented as a 32-bit integer", what[i])
		}
		bounds[i] = int64(n)
	}
	if bounds[2] == 0 {
		return bsonx.Missing, mongoerr.New(34449, "$range requires a non-zero step value")
	}
	b := bsonx.NewArray(0)
	for i := bounds[0]; bounds[2] > 0 && i < bounds[1] || bounds[2] < 0 && i > bounds[1]; i += bounds[2] {
		if b.Len()*16 > memoryLimit {
			return bsonx.Missing, mongoerr.New(146, "$range would use too much memory (%d bytes) and cannot spill to disk", memoryLimit)
		}
		b.Append(bsonx.Int32(int32(i)))
	}
	return b.Value(), nil
}

func opSlice(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) || len(args) == 3 && bsonx.IsNullish(args[2]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(28724, "First argument to $slice must be an array, but is of type: %s", TypeName(args[0]))
	}
	n, err := sliceArg(args[1], "Second", 28725, 28726)
	if err != nil {
		return bsonx.Missing, err
	}
	items := bsonx.Values(args[0])
	size := len(items)
	if len(args) == 2 {
		if n >= 0 {
			return bsonx.ArrayOf(items[:min(n, size)]...), nil
		}
		return bsonx.ArrayOf(items[max(0, size+n):]...), nil
	}
	if n < 0 {
		n = max(0, size+n)
	}
	count, err := sliceArg(args[2], "Third", 28727, 28728)
	if err != nil {
		return bsonx.Missing, err
	}
	if count <= 0 {
		return bsonx.Missing, mongoerr.New(28729, "Third argument to $slice must be positive: %d", count)
	}
	n = min(n, size)
	return bsonx.ArrayOf(items[n:min(n+count, size)]...), nil
}

func sliceArg(v bson.RawValue, which string, notNumber, notInt int32) (int, error) {
	if !bsonx.IsNumber(v) {
		return 0, mongoerr.New(notNumber, "%s argument to $slice must be a numeric value, but is of type: %s", which, TypeName(v))
	}
	n, ok := IntegralInt32(v)
	if !ok {
		return 0, mongoerr.New(notInt, "%s argument to $slice can't be represented as a 32-bit integer", which)
	}
	return int(n), nil
}
