package expr

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// datePart answers the function of a single part of a date, nil where the operator is none.
func datePart(name string) func(t time.Time) int64 {
	switch name {
	case "$year":
		return func(t time.Time) int64 { return int64(t.Year()) }
	case "$month":
		return func(t time.Time) int64 { return int64(t.Month()) }
	case "$dayOfMonth":
		return func(t time.Time) int64 { return int64(t.Day()) }
	case "$hour":
		return func(t time.Time) int64 { return int64(t.Hour()) }
	case "$minute":
		return func(t time.Time) int64 { return int64(t.Minute()) }
	case "$second":
		return func(t time.Time) int64 { return int64(t.Second()) }
	case "$millisecond":
		return func(t time.Time) int64 { return int64(t.Nanosecond() / 1e6) }
	case "$dayOfWeek":
		return func(t time.Time) int64 { return int64(t.Weekday()) + 1 }
	case "$dayOfYear":
		return func(t time.Time) int64 { return int64(t.YearDay()) }
	case "$week":
		return weekOfYear
	case "$isoDayOfWeek":
		return isoDay
	case "$isoWeek":
		return func(t time.Time) int64 { _, w := t.ISOWeek(); return int64(w) }
	case "$isoWeekYear":
		return func(t time.Time) int64 { y, _ := t.ISOWeek(); return int64(y) }
	}
	return nil
}

// weekOfYear counts from the first Sunday of the year; days before it are week 0.
func weekOfYear(t time.Time) int64 { return int64(t.YearDay()-1+7-int(t.Weekday())) / 7 }

func isoDay(t time.Time) int64 { return int64(t.Weekday()+6)%7 + 1 }

func parseDatePart(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	part := datePart(name)
	args, err := dateOperands(name, arg, s)
	if err != nil {
		return nil, err
	}
	zoned := args[1] != nil
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		t, ok, err := localTime(args[0], args[1], zoned, 16006)
		if err != nil || !ok {
			return bsonx.Null, err
		}
		if name == "$isoWeekYear" {
			return bsonx.Int64(part(t)), nil
		}
		return bsonx.Int32(int32(part(t))), nil
	}, args)
}

// dateOperands compiles {date, timezone}, [date] or a date standing alone.
func dateOperands(name string, arg bson.RawValue, s *Scope) ([]Expr, error) {
	if arg.Type == bson.TypeArray {
		list := bsonx.Values(arg)
		if len(list) != 1 {
			return nil, mongoerr.New(40536, "%s accepts exactly one argument if given an array, but was given %d", name, len(list))
		}
		e, err := compile(list[0], s)
		return []Expr{e, nil}, err
	}
	if arg.Type != bson.TypeEmbeddedDocument || strings.HasPrefix(bsonx.FirstKey(arg.Value), "$") {
		e, err := compile(arg, s)
		return []Expr{e, nil}, err
	}
	args, err := named(arg, s, 40535, "unrecognized option to "+name+": \"%s\"", "date", "timezone")
	if err == nil && args[0] == nil {
		err = mongoerr.New(40539, "missing 'date' argument to %s", name)
	}
	return args, err
}

// localTime converts operands to a local time; ok is false where one of them is null.
func localTime(date, zone bson.RawValue, zoned bool, code int32) (t time.Time, ok bool, err error) {
	if bsonx.IsNullish(date) {
		return t, false, nil
	}
	loc := time.UTC
	if zoned {
		if bsonx.IsNullish(zone) {
			return t, false, nil
		}
		if loc, err = zoneOf(zone); err != nil {
			return t, false, err
		}
	}
	ms, err := millisOf(date, code)
	if err != nil {
		return t, false, err
	}
	return time.UnixMilli(ms).In(loc), true, nil
}

func parseDateToParts(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40524, "$dateToParts only supports an object as its argument")
	}
	args, err := named(arg, s, 40520, "Unrecognized argument to $dateToParts: %s", "date", "timezone", "iso8601")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, mongoerr.New(40522, "Missing 'date' parameter to $dateToParts")
	}
	zoned, isoGiven := args[1] != nil, args[2] != nil
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if isoGiven {
			if bsonx.IsNullish(args[2]) {
				return bsonx.Null, nil
			}
			if args[2].Type != bson.TypeBoolean {
				return bsonx.Missing, mongoerr.New(40521, "iso8601 must evaluate to a bool, found %s", TypeName(args[2]))
			}
		}
		t, ok, err := localTime(args[0], args[1], zoned, 16006)
		if err != nil || !ok {
			return bsonx.Null, err
		}
		return dateParts(t, isoGiven && bsonx.Truthy(args[2])), nil
	}, args)
}

func dateParts(t time.Time, iso bool) bson.RawValue {
	b := bsonx.NewDoc(0)
	names := []string{"$year", "$month", "$dayOfMonth"}
	keys := []string{"year", "month", "day"}
	if iso {
		names, keys = []string{"$isoWeekYear", "$isoWeek", "$isoDayOfWeek"}, []string{"isoWeekYear", "isoWeek", "isoDayOfWeek"}
	}
	names = append(names, "$hour", "$minute", "$second", "$millisecond")
	keys = append(keys, "hour", "minute", "second", "millisecond")
	for i, n := range names {
		b.Append(keys[i], bsonx.Int32(int32(datePart(n)(t))))
	}
	return b.Value()
}

var partNames = []string{"year", "month", "day", "isoWeekYear", "isoWeek", "isoDayOfWeek", "hour", "minute", "second", "millisecond", "timezone"}

func parseDateFromParts(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40519, "$dateFromParts only supports an object as its argument")
	}
	args, err := named(arg, s, 40518, "Unrecognized argument to $dateFromParts: %s", partNames...)
	if err != nil {
		return nil, err
	}
	if args[0] == nil && args[3] == nil {
		return nil, mongoerr.New(40516, "$dateFromParts requires either 'year' or 'isoWeekYear' to be present")
	}
	if args[0] != nil && (args[3] != nil || args[4] != nil || args[5] != nil) {
		return nil, mongoerr.New(40489, "$dateFromParts does not allow mixing natural dates with ISO dates")
	}
	if args[3] != nil && (args[1] != nil || args[2] != nil) {
		return nil, mongoerr.New(40525, "$dateFromParts does not allow mixing ISO dates with natural dates")
	}
	given := make([]bool, len(args))
	for i, a := range args {
		given[i] = a != nil
	}
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) { return dateFromParts(args, given) }, args)
}

func dateFromParts(args []bson.RawValue, given []bool) (bson.RawValue, error) {
	parts := [10]int{0, 1, 1, 0, 1, 1, 0, 0, 0, 0}
	loc := time.UTC
	for i, a := range args[:10] {
		if !given[i] {
			continue
		}
		if bsonx.IsNullish(a) {
			return bsonx.Null, nil
		}
		n, ok := bsonx.IntegerOf(a)
		if !ok {
			return bsonx.Missing, mongoerr.New(40515, "'%s' must evaluate to an integer, found %s with value %s", partNames[i], TypeName(a), a)
		}
		if (i == 0 || i == 3) && (n < 1 || n > 9999) {
			code := int32(40523)
			if i == 3 {
				code = 31095
			}
			return bsonx.Missing, mongoerr.New(code, "'%s' must evaluate to an integer in the range 1 to 9999, found %d", partNames[i], n)
		}
		if i < 6 && (n < -32768 || n > 32767) {
			return bsonx.Missing, mongoerr.New(31034, "'%s' must evaluate to a value in the range [-32768, 32767]; value %d is not in range", partNames[i], n)
		}
		parts[i] = int(n)
	}
	if given[10] {
		if bsonx.IsNullish(args[10]) {
			return bsonx.Null, nil
		}
		l, err := zoneOf(args[10])
		if err != nil {
			return bsonx.Missing, err
		}
		loc = l
	}
	year, month, day := parts[0], time.Month(parts[1]), parts[2]
	if given[3] {
		first := time.Date(parts[3], 1, 4, 0, 0, 0, 0, time.UTC)
		year, month, day = parts[3], 1, 4-int(isoDay(first))+1+(parts[4]-1)*7+parts[5]-1
	}
	return partsTime(year, month, day, parts, loc)
}

// partsTime adds the time of day in milliseconds, so that large values carry and cannot overflow silently.
func partsTime(year int, month time.Month, day int, parts [10]int, loc *time.Location) (bson.RawValue, error) {
	ms := int64(0)
	ok := true
	for i, unit := range []int64{3600000, 60000, 1000, 1} {
		p, fits := mulInt64(int64(parts[6+i]), unit)
		sum, fits2 := addInt64(ms, p)
		ms, ok = sum, ok && fits && fits2
	}
	if !ok {
		return bsonx.Missing, mongoerr.New(15, "$dateFromParts: the date overflows")
	}
	days, rest := floorDiv(ms, 86400000), floorMod(ms, 86400000)
	t := localDate(year, month, day+int(days), 0, 0, int(rest/1000), int(rest%1000)*1e6, loc)
	return bsonx.DateTime(t.UnixMilli()), nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }
