package expr

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

var unitNames = []string{"year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond"}

// unitOf reads a time unit.
func unitOf(v bson.RawValue) (string, error) {
	if v.Type != bson.TypeString {
		return "", mongoerr.New(5439013, "unit requires a string, found: %s", TypeName(v))
	}
	u := stringOf(v)
	if !slices.Contains(unitNames, u) {
		return "", mongoerr.New(9, "unknown time unit value: %s", u)
	}
	return u, nil
}

// UnitMillis answers the length of the units that have a fixed one; 0 for month, quarter and year.
func UnitMillis(unit string) int64 {
	switch unit {
	case "week":
		return 7 * 86400000
	case "day":
		return 86400000
	case "hour":
		return 3600000
	case "minute":
		return 60000
	case "second":
		return 1000
	case "millisecond":
		return 1
	}
	return 0
}

// unitMonths answers how many months a unit has; 0 for the units of a fixed length.
func unitMonths(unit string) int64 {
	switch unit {
	case "year":
		return 12
	case "quarter":
		return 3
	case "month":
		return 1
	}
	return 0
}

var (
	errDateOverflow  = mongoerr.New(5166406, "the date is out of range")
	errTruncOverflow = mongoerr.New(5439005, "$dateTrunc: the date is out of range")
)

func parseDateAdd(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5166400, "%s expects an object as its argument, found: %s", name, TypeName(arg))
	}
	args, err := named(arg, s, 5166401, "Unrecognized argument to "+name+": %s", "startDate", "unit", "amount", "timezone")
	if err != nil {
		return nil, err
	}
	if args[0] == nil || args[1] == nil || args[2] == nil {
		return nil, mongoerr.New(5166402, "%s requires startDate, unit, and amount to be present", name)
	}
	zoned := args[3] != nil
	if err := checkUnit(args[1]); err != nil {
		return nil, err
	}
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		return dateAdd(name, args, zoned)
	}, args)
}

// checkUnit reports a wrong constant unit at compile time, as MongoDB does.
func checkUnit(e Expr) error {
	if c, ok := e.(constant); ok && !bsonx.IsNullish(c.v) {
		_, err := unitOf(c.v)
		return err
	}
	return nil
}

func dateAdd(name string, args []bson.RawValue, zoned bool) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) || bsonx.IsNullish(args[2]) || zoned && bsonx.IsNullish(args[3]) {
		return bsonx.Null, nil
	}
	unit, err := unitOf(args[1])
	if err != nil {
		return bsonx.Missing, err
	}
	amount, ok := bsonx.IntegerOf(args[2])
	if !ok {
		return bsonx.Missing, mongoerr.New(5166405, "%s expects integer amount of time units", name)
	}
	t, _, err := localTime(args[0], args[3], zoned, 5166403)
	if err != nil {
		return bsonx.Missing, err
	}
	if name == "$dateSubtract" {
		if amount == -amount && amount != 0 {
			return bsonx.Missing, mongoerr.New(6045000, "invalid $dateSubtract 'amount' parameter value: %d", amount)
		}
		amount = -amount
	}
	return AddUnits(t, unit, amount)
}

// AddUnits adds calendar or clock units to a local time; a day that the month lacks becomes its last.
func AddUnits(t time.Time, unit string, amount int64) (bson.RawValue, error) {
	size, months := UnitMillis(unit), unitMonths(unit)
	if unit == "week" {
		unit, amount = "day", amount*7
	}
	limit := int64(300000000) * 12
	switch {
	case months > 0:
		if amount > limit/months || amount < -limit/months {
			return bsonx.Missing, mongoerr.New(5976500, "invalid amount of time units: %d", amount)
		}
		return bsonx.DateTime(addMonths(t, int(amount*months)).UnixMilli()), nil
	case unit == "day":
		if amount > 1<<37 || amount < -(1<<37) {
			return bsonx.Missing, mongoerr.New(5976500, "invalid amount of time units: %d", amount)
		}
		return bsonx.DateTime(addDays(t, int(amount)).UnixMilli()), nil
	}
	d, ok := mulInt64(amount, size)
	sum, fits := addInt64(t.UnixMilli(), d)
	if !ok || !fits {
		return bsonx.Missing, errDateOverflow
	}
	return bsonx.DateTime(sum), nil
}

func addMonths(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return localDate(y, m+time.Month(n), min(d, last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

func addDays(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	return localDate(y, m, d+n, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

var weekDays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// startOfWeek reads a day's name or three letters, in any case.
func startOfWeek(v bson.RawValue) (time.Weekday, error) {
	if v.Type != bson.TypeString {
		return 0, mongoerr.New(5439015, "startOfWeek requires a string, found: %s", TypeName(v))
	}
	name := strings.ToLower(stringOf(v))
	for i, d := range weekDays {
		if name == d || name == d[:3] {
			return time.Weekday(i), nil
		}
	}
	return 0, mongoerr.New(5439016, "unknown day of week value: %s", name)
}

func parseDateDiff(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5166301, "$dateDiff only supports an object as its argument")
	}
	args, err := named(arg, s, 5166302, "Unrecognized argument to $dateDiff: %s", "startDate", "endDate", "unit", "timezone", "startOfWeek")
	if err != nil {
		return nil, err
	}
	for i, what := range []string{"startDate", "endDate", "unit"} {
		if args[i] == nil {
			return nil, mongoerr.New(5166303+int32(i), "Missing '%s' parameter to $dateDiff", what)
		}
	}
	zoned, weekGiven := args[3] != nil, args[4] != nil
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		return dateDiff(args, zoned, weekGiven)
	}, args)
}

func dateDiff(args []bson.RawValue, zoned, weekGiven bool) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) || bsonx.IsNullish(args[2]) || zoned && bsonx.IsNullish(args[3]) {
		return bsonx.Null, nil
	}
	unit, err := unitOf(args[2])
	if err != nil {
		return bsonx.Missing, err
	}
	first, ok, err := weekStart(args[4], weekGiven, unit)
	if err != nil || !ok {
		return bsonx.Null, err
	}
	a, _, err := localTime(args[0], args[3], zoned, 5166307)
	if err != nil {
		return bsonx.Missing, err
	}
	b, _, err := localTime(args[1], args[3], zoned, 5166307)
	if err != nil {
		return bsonx.Missing, err
	}
	n, ok := unitsBetween(a, b, unit, first)
	if !ok {
		return bsonx.Missing, mongoerr.New(5166308, "dateDiff overflowed")
	}
	return bsonx.Int64(n), nil
}

// weekStart reads startOfWeek where the unit needs it; ok is false where it is null.
func weekStart(v bson.RawValue, given bool, unit string) (time.Weekday, bool, error) {
	if !given || unit != "week" {
		return time.Sunday, true, nil
	}
	if bsonx.IsNullish(v) {
		return 0, false, nil
	}
	d, err := startOfWeek(v)
	return d, true, err
}

// unitsBetween counts the unit boundaries between two local times of one zone.
func unitsBetween(a, b time.Time, unit string, first time.Weekday) (int64, bool) {
	years := int64(b.Year()) - int64(a.Year())
	switch unit {
	case "year":
		return years, true
	case "quarter":
		return years*4 + int64(b.Month()-1)/3 - int64(a.Month()-1)/3, true
	case "month":
		return years*12 + int64(b.Month()) - int64(a.Month()), true
	case "week":
		return weekNumber(b, first) - weekNumber(a, first), true
	case "day":
		return dayNumber(b) - dayNumber(a), true
	case "hour":
		return floorDiv(hourAligned(b), 3600000) - floorDiv(hourAligned(a), 3600000), true
	}
	size := UnitMillis(unit)
	return subInt64(floorDiv(b.UnixMilli(), size), floorDiv(a.UnixMilli(), size))
}

// hourAligned shifts a time by the minutes that its zone differs from a whole hour: hours are counted in absolute time.
func hourAligned(t time.Time) int64 {
	_, offset := t.Zone()
	return t.UnixMilli() + int64(offset%3600)*1000
}

func localMillis(t time.Time) int64 {
	_, offset := t.Zone()
	return t.UnixMilli() + int64(offset)*1000
}

// dayNumber counts local days from 1970-01-01.
func dayNumber(t time.Time) int64 { return floorDiv(localMillis(t), 86400000) }

// weekNumber counts weeks that begin on first; 1970-01-01 was a Thursday.
func weekNumber(t time.Time, first time.Weekday) int64 {
	return floorDiv(dayNumber(t)+int64(time.Thursday-first), 7)
}

func parseDateTrunc(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5439007, "$dateTrunc only supports an object as its argument")
	}
	args, err := named(arg, s, 5439008, "Unrecognized argument to $dateTrunc: %s", "date", "unit", "binSize", "timezone", "startOfWeek")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, mongoerr.New(5439009, "Missing 'date' parameter to $dateTrunc")
	}
	if args[1] == nil {
		return nil, mongoerr.New(5439010, "Missing 'unit' parameter to $dateTrunc")
	}
	binGiven, zoned, weekGiven := args[2] != nil, args[3] != nil, args[4] != nil
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) || binGiven && bsonx.IsNullish(args[2]) || zoned && bsonx.IsNullish(args[3]) {
			return bsonx.Null, nil
		}
		return dateTrunc(args, binGiven, zoned, weekGiven)
	}, args)
}

func dateTrunc(args []bson.RawValue, binGiven, zoned, weekGiven bool) (bson.RawValue, error) {
	unit, err := unitOf(args[1])
	if err != nil {
		return bsonx.Missing, err
	}
	bin := int64(1)
	if binGiven {
		n, ok := bsonx.IntegerOf(args[2])
		if !ok {
			return bsonx.Missing, mongoerr.New(5439017, "$dateTrunc requires 'binSize' to be a 64-bit integer, but got value '%s' of type %s", args[2], TypeName(args[2]))
		}
		if n <= 0 {
			return bsonx.Missing, mongoerr.New(5439018, "$dateTrunc requires 'binSize' to be greater than 0, but got value %d", n)
		}
		bin = n
	}
	first, ok, err := weekStart(args[4], weekGiven, unit)
	if err != nil || !ok {
		return bsonx.Null, err
	}
	t, _, err := localTime(args[0], args[3], zoned, 5166307)
	if err != nil {
		return bsonx.Missing, err
	}
	return truncate(t, unit, bin, first)
}

// truncate answers the start of the bin that holds t; bins are counted from 2000-01-01 in t's zone, weeks from the first start of a
// week on or after that day.
func truncate(t time.Time, unit string, bin int64, first time.Weekday) (bson.RawValue, error) {
	loc := t.Location()
	switch unit {
	case "year", "quarter", "month":
		months := unitMonths(unit)
		if bin > 100000000000/months {
			return bsonx.Missing, mongoerr.New(5439006, "dateTrunc unsupported binSize value %d", bin)
		}
		n := (int64(t.Year())-2000)*12 + int64(t.Month()) - 1
		n = floorDiv(n, bin*months) * bin * months
		return bsonx.DateTime(localDate(2000, time.Month(1+n), 1, 0, 0, 0, 0, loc).UnixMilli()), nil
	case "week", "day":
		days, offset := int64(1), int64(0)
		if unit == "week" {
			days = 7
			offset = int64(first-time.Saturday+7) % 7
		}
		if bin > 100000000000/days {
			return bsonx.Missing, mongoerr.New(5439006, "dateTrunc unsupported binSize value %d", bin)
		}
		n := dayNumber(t) - 10957 - offset
		n = floorDiv(n, bin*days)*bin*days + offset
		return bsonx.DateTime(localDate(2000, 1, 1+int(n), 0, 0, 0, 0, loc).UnixMilli()), nil
	}
	size, ok := mulInt64(bin, UnitMillis(unit))
	if !ok {
		return bsonx.Missing, mongoerr.New(5439006, "dateTrunc unsupported binSize value %d", bin)
	}
	reference := localDate(2000, 1, 1, 0, 0, 0, 0, loc).UnixMilli()
	d, ok := subInt64(t.UnixMilli(), reference)
	if !ok {
		return bsonx.Missing, errTruncOverflow
	}
	out, ok := mulInt64(floorDiv(d, size), size)
	sum, fits := addInt64(out, reference)
	if !ok || !fits {
		return bsonx.Missing, errTruncOverflow
	}
	return bsonx.DateTime(sum), nil
}
