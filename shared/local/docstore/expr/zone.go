package expr

import (
	"encoding/binary"
	"strings"
	"time"
	// The zone database is compiled in: the store must work where the machine has none. One that is installed goes before it.
	_ "time/tzdata"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// zoneOf reads a timezone operand: an IANA name or an offset from UTC (+hh, +hhmm, +hh:mm). Missing or null must be handled by the caller.
func zoneOf(v bson.RawValue) (*time.Location, error) {
	if v.Type != bson.TypeString {
		return nil, mongoerr.New(40517, "timezone must evaluate to a string, found %s", TypeName(v))
	}
	name := stringOf(v)
	if loc, ok := LoadZone(name); ok {
		return loc, nil
	}
	return nil, mongoerr.New(40485, "unrecognized time zone identifier: %q", name)
}

// LoadZone finds a zone by its IANA name or offset. Only "UTC" and the offset 0 are time.UTC; other names of it are not, as in MongoDB.
func LoadZone(name string) (*time.Location, bool) {
	switch {
	case name == "UTC":
		return time.UTC, true
	case name == "" || name == "Local" || strings.Contains(name, ".."):
		return nil, false
	case name[0] == '+' || name[0] == '-':
		return offsetZone(name)
	}
	loc, err := time.LoadLocation(name)
	return loc, err == nil
}

func offsetZone(s string) (*time.Location, bool) {
	digits := strings.Replace(s[1:], ":", "", 1)
	colon := len(digits) != len(s)-1
	if colon && (len(digits) != 4 || s[3] != ':') || len(digits) != 4 && len(digits) != 2 {
		return nil, false
	}
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return nil, false
		}
		n = n*10 + int(c-'0')
	}
	if len(digits) == 2 {
		n *= 100
	}
	seconds := n/100*3600 + n%100*60
	if seconds == 0 {
		return time.UTC, true
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone(s, seconds), true
}

// localDate is time.Date, but a local time that clocks skip is as much later as they skip, everywhere: time.Date takes an earlier
// one west of Greenwich.
func localDate(year int, month time.Month, day, hour, minute, second, nano int, loc *time.Location) time.Time {
	t := time.Date(year, month, day, hour, minute, second, nano, loc)
	if loc == time.UTC {
		return t
	}
	asked := time.Date(year, month, day, hour, minute, second, nano, time.UTC)
	_, offset := t.Zone()
	if skipped := asked.Sub(t) - time.Duration(offset)*time.Second; skipped > 0 {
		return t.Add(skipped)
	}
	return t
}

// millisOf reads a date operand: a date, a timestamp's or an ObjectId's seconds; code for other types.
func millisOf(v bson.RawValue, code int32) (int64, error) {
	switch v.Type {
	case bson.TypeDateTime:
		return int64Of(v), nil
	case bson.TypeTimestamp:
		t, _ := v.Timestamp()
		return int64(t) * 1000, nil
	case bson.TypeObjectID:
		// MongoDB reads the seconds of an ObjectId as a signed number.
		return int64(int32(binary.BigEndian.Uint32(v.Value))) * 1000, nil
	}
	return 0, mongoerr.New(code, "can't convert from BSON type %s to Date", TypeName(v))
}
