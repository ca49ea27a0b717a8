package expr

import (
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func parseDateFromString(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40540, "$dateFromString only supports an object as an argument, found: %s", TypeName(arg))
	}
	args, err := named(arg, s, 40541, "Unrecognized argument to $dateFromString: %s", "dateString", "format", "timezone", "onNull", "onError")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, mongoerr.New(40542, "Missing 'dateString' parameter to $dateFromString")
	}
	n := &dateFromString{args[0], args[1], args[2], args[3], args[4]}
	return fold(n, args)
}

type dateFromString struct{ text, format, zone, onNull, onError Expr }

func (n *dateFromString) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	text, err := n.text.Eval(env, doc)
	if err != nil {
		return bsonx.Missing, err
	}
	format, loc, null, err := n.options(env, doc)
	if err != nil {
		return bsonx.Missing, err
	}
	if bsonx.IsNullish(text) {
		if n.onNull != nil {
			return n.onNull.Eval(env, doc)
		}
		return bsonx.Null, nil
	}
	if null {
		return bsonx.Null, nil
	}
	v, err := n.parse(text, format, loc)
	if err != nil && n.onError != nil && mongoerr.CodeOf(err) == mongoerr.ConversionFailure {
		return n.onError.Eval(env, doc)
	}
	return v, err
}

// options evaluates format and timezone; null tells that one of them is null.
func (n *dateFromString) options(env *Env, doc bson.Raw) (format string, loc *time.Location, null bool, err error) {
	if n.zone != nil {
		z, err := n.zone.Eval(env, doc)
		if err != nil {
			return "", nil, false, err
		}
		if bsonx.IsNullish(z) {
			null = true
		} else if loc, err = zoneOf(z); err != nil {
			return "", nil, false, err
		}
	}
	if n.format != nil {
		f, err := n.format.Eval(env, doc)
		switch {
		case err != nil:
			return "", nil, false, err
		case bsonx.IsNullish(f):
			null = true
		case f.Type != bson.TypeString:
			return "", nil, false, mongoerr.New(40684, "$dateFromString requires that 'format' be a string, found: %s", TypeName(f))
		default:
			format = stringOf(f)
			if err := checkFormat(format, fromStringVerbs); err != nil {
				return "", nil, false, err
			}
		}
	}
	return format, loc, null, nil
}

func (n *dateFromString) parse(text bson.RawValue, format string, loc *time.Location) (bson.RawValue, error) {
	if text.Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(mongoerr.ConversionFailure, "$dateFromString requires that 'dateString' be a string, found: %s", TypeName(text))
	}
	var p writtenDate
	var err error
	if n.format != nil {
		err = p.parseFormat(stringOf(text), format)
	} else {
		err = p.parseFree(stringOf(text))
	}
	if err != nil {
		return bsonx.Missing, err
	}
	if p.loc != nil && loc != nil && loc != time.UTC {
		return bsonx.Missing, mongoerr.New(mongoerr.ConversionFailure, "you cannot pass in a date/time string with time zone information ('%s') together with a timezone argument", stringOf(text))
	}
	if p.loc == nil {
		p.loc = loc
	}
	return p.value(), nil
}

// writtenDate is a date read from text; every failure is ConversionFailure.
type writtenDate struct {
	year, month, day            int
	hour, minute, second, milli int
	isoYear, isoWeek, isoDay    int
	yearDay                     int
	loc                         *time.Location
}

func errDateText(s, why string) error {
	return mongoerr.New(mongoerr.ConversionFailure, "Error parsing date string '%s'; %s", s, why)
}

func (p *writtenDate) value() bson.RawValue {
	loc := p.loc
	if loc == nil {
		loc = time.UTC
	}
	year, month, day := p.year, time.Month(p.month), p.day
	switch {
	case p.isoYear != 0:
		first := time.Date(p.isoYear, 1, 4, 0, 0, 0, 0, time.UTC)
		year, month, day = p.isoYear, 1, 4-int(isoDay(first))+1+(max(p.isoWeek, 1)-1)*7+max(p.isoDay, 1)-1
	case p.yearDay != 0:
		// MongoDB counts %j from the day after New Year here.
		month, day = 1, p.yearDay+1
	}
	t := localDate(year, max(month, 1), max(day, 1), p.hour, p.minute, p.second, p.milli*1e6, loc)
	return bsonx.DateTime(t.UnixMilli())
}

// scanner reads a text from left to right.
type scanner struct {
	s  string
	at int
}

func (c *scanner) rest() string { return c.s[c.at:] }

func (c *scanner) peek() byte {
	if c.at < len(c.s) {
		return c.s[c.at]
	}
	return 0
}

func (c *scanner) accept(b byte) bool {
	if c.at < len(c.s) && c.s[c.at] == b {
		c.at++
		return true
	}
	return false
}

// number reads between min and max digits.
func (c *scanner) number(min, max int) (int, bool) {
	end := c.at
	for end < len(c.s) && end-c.at < max && c.s[end] >= '0' && c.s[end] <= '9' {
		end++
	}
	if end-c.at < min {
		return 0, false
	}
	n, err := strconv.Atoi(c.s[c.at:end])
	c.at = end
	return n, err == nil
}

func (c *scanner) digits() int {
	n := 0
	for c.at+n < len(c.s) && c.s[c.at+n] >= '0' && c.s[c.at+n] <= '9' {
		n++
	}
	return n
}

func (c *scanner) word() string {
	end := c.at
	for end < len(c.s) && (c.s[end]|0x20 >= 'a' && c.s[end]|0x20 <= 'z') {
		end++
	}
	w := c.s[c.at:end]
	c.at = end
	return w
}

func (c *scanner) spaces() {
	for c.at < len(c.s) && (c.s[c.at] == ' ' || c.s[c.at] == '\t' || c.s[c.at] == '\n') {
		c.at++
	}
}

func monthByName(w string) int {
	w = strings.ToLower(w)
	for m := time.January; m <= time.December; m++ {
		full := strings.ToLower(m.String())
		if w == full || w == full[:3] || w == "sept" && m == time.September {
			return int(m)
		}
	}
	return 0
}

func isWeekday(w string) bool {
	w = strings.ToLower(w)
	for _, d := range weekDays {
		if w == d || w == d[:3] {
			return true
		}
	}
	return false
}

// parseFormat reads text by a format with the verbs of $dateToString.
func (p *writtenDate) parseFormat(text, format string) error {
	c := &scanner{s: text}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			if !c.accept(format[i]) {
				return errDateText(text, "the format's separator is not there: "+format[i:i+1])
			}
			continue
		}
		i++
		if !p.verb(c, format[i]) {
			return errDateText(text, "no match for %"+format[i:i+1])
		}
	}
	if c.at != len(text) {
		return errDateText(text, "trailing data")
	}
	natural := p.year != 0 || strings.Contains(format, "%Y")
	switch {
	case p.isoYear == 0 && !natural, natural && p.yearDay == 0 && (p.month == 0 || p.day == 0):
		return errDateText(text, "an incomplete date/time string has been found")
	case natural && p.isoYear != 0:
		return errDateText(text, "mixing of ISO dates with natural dates is not allowed")
	}
	return nil
}

func (p *writtenDate) verb(c *scanner, verb byte) bool {
	in := func(dst *int, min, max, lo, hi int) bool {
		n, ok := c.number(min, max)
		*dst = n
		return ok && n >= lo && n <= hi
	}
	switch verb {
	case 'Y':
		return in(&p.year, 4, 4, 0, 9999)
	case 'G':
		return in(&p.isoYear, 4, 4, 0, 9999)
	case 'm':
		return in(&p.month, 1, 2, 1, 12)
	case 'd':
		return in(&p.day, 1, 2, 1, 31)
	case 'H':
		return in(&p.hour, 1, 2, 0, 23)
	case 'M':
		return in(&p.minute, 1, 2, 0, 59)
	case 'S':
		return in(&p.second, 1, 2, 0, 59)
	case 'L':
		return p.fraction(c, 3)
	case 'j':
		return in(&p.yearDay, 1, 3, 1, 366)
	case 'u':
		return in(&p.isoDay, 1, 1, 1, 7)
	case 'V':
		return in(&p.isoWeek, 1, 2, 1, 53)
	case 'b', 'B':
		p.month = monthByName(c.word())
		return p.month != 0
	case 'z':
		return p.zone(c)
	case 'Z':
		return p.minutesOffset(c)
	case '%':
		return c.accept('%')
	}
	return false
}

// fraction reads up to max digits of a second.
func (p *writtenDate) fraction(c *scanner, max int) bool {
	n := c.digits()
	if n == 0 || n > max {
		return false
	}
	digits := (c.rest()[:n] + "000")[:3]
	c.at += n
	p.milli, _ = strconv.Atoi(digits)
	return true
}

func (p *writtenDate) minutesOffset(c *scanner) bool {
	neg := c.accept('-')
	if !neg {
		c.accept('+')
	}
	n, ok := c.number(1, 4)
	if neg {
		n = -n
	}
	p.loc = time.FixedZone("", n*60)
	return ok
}

// zone reads an offset, Z or the name of a zone.
func (p *writtenDate) zone(c *scanner) bool {
	start := c.at
	if b := c.peek(); b == '+' || b == '-' {
		c.at++
		if _, ok := c.number(1, 2); !ok {
			return false
		}
		digits := c.s[start+1 : c.at]
		c.accept(':')
		minutes, _ := c.number(2, 2)
		hours, _ := strconv.Atoi(digits)
		seconds := hours*3600 + minutes*60
		if b == '-' {
			seconds = -seconds
		}
		p.loc = time.FixedZone("", seconds)
		return true
	}
	end := c.at
	for end < len(c.s) && c.s[end] != ' ' && c.s[end] != ')' {
		end++
	}
	name := c.s[c.at:end]
	loc, ok := zoneByText(name)
	p.loc, c.at = loc, end
	return ok
}

func zoneByText(name string) (*time.Location, bool) {
	switch strings.ToUpper(name) {
	case "Z", "UTC", "GMT":
		return time.UTC, true
	case "EST":
		return time.FixedZone(name, -5*3600), true
	case "EDT":
		return time.FixedZone(name, -4*3600), true
	case "CST":
		return time.FixedZone(name, -6*3600), true
	case "CDT":
		return time.FixedZone(name, -5*3600), true
	case "MST":
		return time.FixedZone(name, -7*3600), true
	case "MDT":
		return time.FixedZone(name, -6*3600), true
	case "PST":
		return time.FixedZone(name, -8*3600), true
	case "PDT":
		return time.FixedZone(name, -7*3600), true
	case "CET":
		return time.FixedZone(name, 3600), true
	case "CEST":
		return time.FixedZone(name, 2*3600), true
	}
	return nil, false // MongoDB takes no IANA name here
}
