package expr

import (
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func parseDateToString(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(18629, "$dateToString only supports an object as its argument")
	}
	args, err := named(arg, s, 18534, "Unrecognized argument to $dateToString: %s", "date", "format", "timezone", "onNull")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, mongoerr.New(18628, "Missing 'date' parameter to $dateToString")
	}
	formatted, zoned, onNull := args[1] != nil, args[2] != nil, args[3]
	n := &withDefault{onNull: onNull}
	n.main, err = newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		return dateToString(args, formatted, zoned)
	}, args[:3])
	if err != nil {
		return nil, err
	}
	if onNull == nil {
		return n.main, nil
	}
	return n, nil
}

// withDefault answers onNull where main is null.
type withDefault struct{ main, onNull Expr }

func (n *withDefault) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	v, err := n.main.Eval(env, doc)
	if err != nil || !bsonx.IsNullish(v) {
		return v, err
	}
	return n.onNull.Eval(env, doc)
}

func dateToString(args []bson.RawValue, formatted, zoned bool) (bson.RawValue, error) {
	format := ""
	if formatted && !bsonx.IsNullish(args[1]) {
		if args[1].Type != bson.TypeString {
			return bsonx.Missing, mongoerr.New(18533, "$dateToString requires that 'format' be a string, found: %s with value %s", TypeName(args[1]), args[1])
		}
		format = stringOf(args[1])
		if err := checkFormat(format, toStringVerbs); err != nil {
			return bsonx.Missing, err
		}
	}
	if formatted && bsonx.IsNullish(args[1]) {
		return bsonx.Null, nil
	}
	t, ok, err := localTime(args[0], args[2], zoned, 16006)
	if err != nil || !ok {
		return bsonx.Null, err
	}
	if !formatted {
		format = "%Y-%m-%dT%H:%M:%S.%L"
		if t.Location() == time.UTC {
			format += "Z"
		}
	}
	out, err := formatDate(t, format)
	if err != nil {
		return bsonx.Missing, err
	}
	return bsonx.String(out), nil
}

const (
	toStringVerbs   = "dGHjLmMSuUVYzZ%bBw"
	fromStringVerbs = "dGHjLmMSuUVYzZ%bB"
)

func checkFormat(format, verbs string) error {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		if i == len(format) {
			return mongoerr.New(18535, "Unmatched '%%' at end of format string")
		}
		if strings.IndexByte(verbs, format[i]) < 0 {
			return mongoerr.New(18536, "Invalid format character '%%%c' in format string", format[i])
		}
	}
	return nil
}

func formatDate(t time.Time, format string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if err := formatVerb(&b, t, format[i]); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func formatVerb(b *strings.Builder, t time.Time, verb byte) error {
	switch verb {
	case 'Y', 'G':
		y := t.Year()
		if verb == 'G' {
			y, _ = t.ISOWeek()
		}
		if y < 0 || y > 9999 {
			return mongoerr.New(18537, "$dateToString is only defined on year 0-9999, tried to use year %d", y)
		}
		fmt.Fprintf(b, "%04d", y)
	case 'd':
		fmt.Fprintf(b, "%02d", t.Day())
	case 'H':
		fmt.Fprintf(b, "%02d", t.Hour())
	case 'j':
		fmt.Fprintf(b, "%03d", t.YearDay())
	case 'L':
		fmt.Fprintf(b, "%03d", t.Nanosecond()/1e6)
	case 'm':
		fmt.Fprintf(b, "%02d", int(t.Month()))
	case 'M':
		fmt.Fprintf(b, "%02d", t.Minute())
	case 'S':
		fmt.Fprintf(b, "%02d", t.Second())
	case 'u':
		fmt.Fprintf(b, "%d", isoDay(t))
	case 'w':
		fmt.Fprintf(b, "%d", int(t.Weekday())+1)
	case 'U':
		fmt.Fprintf(b, "%02d", weekOfYear(t))
	case 'V':
		_, w := t.ISOWeek()
		fmt.Fprintf(b, "%02d", w)
	case 'b':
		b.WriteString(t.Month().String()[:3])
	case 'B':
		b.WriteString(t.Month().String())
	case 'z', 'Z':
		_, offset := t.Zone()
		formatOffset(b, offset/60, verb)
	default:
		b.WriteByte('%')
	}
	return nil
}

func formatOffset(b *strings.Builder, minutes int, verb byte) {
	if verb == 'Z' {
		fmt.Fprintf(b, "%d", minutes)
		return
	}
	sign := byte('+')
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	fmt.Fprintf(b, "%c%02d%02d", sign, minutes/60, minutes%60)
}
