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
	t := time.Date(year, max(month, 1), max(day, 1), p.hour, p.minute, p.second, p.milli*1e6, loc)
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
	return LoadZone(name)
}

// parseFree reads the usual written forms of a date: ISO 8601, YYYY/MM/DD, YYYYMMDD, MM/DD/YYYY, DD-MM-YYYY, and month names, each
// with an optional time and zone.
func (p *writtenDate) parseFree(text string) error {
	c := &scanner{s: strings.TrimRight(text, " \t\n\u00a0")}
	c.s = strings.TrimLeft(c.s, " \t\n\x00\u00a0")
	if c.at == len(c.s) {
		return errDateText(text, "an empty string is not a date")
	}
	if !p.date(c) {
		return errDateText(text, "the date was not recognised")
	}
	if p.month < 1 || p.month > 12 || p.day < 1 || p.day > daysIn(p.year, p.month) {
		return errDateText(text, "a part of the date is out of range")
	}
	if !p.timeOfDay(c) {
		return errDateText(text, "the time was not recognised")
	}
	if c.at != len(c.s) {
		return errDateText(text, "unexpected characters: "+c.rest())
	}
	return nil
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func (p *writtenDate) date(c *scanner) bool {
	if w := c.word(); w != "" {
		if isWeekday(w) {
			c.accept(',')
			c.spaces()
			if c.digits() > 0 {
				return p.numericDate(c)
			}
			w = c.word()
		}
		return p.monthFirst(c, w)
	}
	return p.numericDate(c)
}

// monthFirst reads "July 4, 2017".
func (p *writtenDate) monthFirst(c *scanner, w string) bool {
	if p.month = monthByName(w); p.month == 0 {
		return false
	}
	c.accept('.')
	c.spaces()
	day, ok := c.number(1, 2)
	p.day = day
	p.ordinal(c)
	c.accept(',')
	c.spaces()
	year, ok2 := c.number(4, 4)
	p.year = year
	return ok && ok2
}

func (p *writtenDate) ordinal(c *scanner) {
	for _, s := range []string{"st", "nd", "rd", "th"} {
		if strings.HasPrefix(c.rest(), s) {
			c.at += 2
			return
		}
	}
}

func (p *writtenDate) numericDate(c *scanner) bool {
	switch n := c.digits(); n {
	case 8, 14:
		p.year, _ = c.number(4, 4)
		p.month, _ = c.number(2, 2)
		p.day, _ = c.number(2, 2)
		return true
	case 4:
		return p.yearFirst(c)
	case 1, 2:
		return p.dayOrMonthFirst(c)
	}
	return false
}

// yearFirst reads 2017-02-08, 2017/2/8, 2017-W06-3 and 2017-039.
func (p *writtenDate) yearFirst(c *scanner) bool {
	p.year, _ = c.number(4, 4)
	sep := c.peek()
	if sep != '-' && sep != '/' && sep != '.' {
		return false
	}
	c.at++
	if sep == '-' && c.accept('W') {
		return p.isoWeekDate(c)
	}
	if sep == '-' && c.digits() == 3 {
		n, _ := c.number(3, 3)
		t := time.Date(p.year, 1, n, 0, 0, 0, 0, time.UTC)
		p.year, p.month, p.day = t.Year(), int(t.Month()), t.Day()
		return true
	}
	if w := c.word(); w != "" {
		p.month = monthByName(w)
	} else {
		p.month, _ = c.number(1, 2)
	}
	if !c.accept(sep) {
		if sep != '-' {
			return false
		}
		p.day = 1
		return p.month != 0
	}
	day, ok := c.number(1, 2)
	p.day = day
	return ok && c.digits() == 0
}

func (p *writtenDate) isoWeekDate(c *scanner) bool {
	week, ok := c.number(2, 2)
	day := 1
	if c.accept('-') {
		var ok2 bool
		day, ok2 = c.number(1, 1)
		ok = ok && ok2
	}
	first := time.Date(p.year, 1, 4, 0, 0, 0, 0, time.UTC)
	t := first.AddDate(0, 0, -int(isoDay(first))+1+(week-1)*7+day-1)
	p.year, p.month, p.day = t.Year(), int(t.Month()), t.Day()
	return ok
}

// dayOrMonthFirst reads 7/4/2017 (month first), 4-7-2017, 4.7.2017 (day first) and 4 July 2017.
func (p *writtenDate) dayOrMonthFirst(c *scanner) bool {
	a, _ := c.number(1, 2)
	p.ordinal(c)
	sep := c.peek()
	c.accept(sep)
	c.spaces()
	if w := c.word(); w != "" {
		p.day, p.month = a, monthByName(w)
		for c.accept('-') || c.accept(' ') || c.accept(',') {
		}
		year, ok := c.number(4, 4)
		p.year = year
		return ok && p.month != 0
	}
	b, ok := c.number(1, 2)
	if !ok || !c.accept(sep) {
		return false
	}
	year, ok := c.number(4, 4)
	p.year = year
	switch sep {
	case '/':
		p.month, p.day = a, b
	case '-', '.':
		p.day, p.month = a, b
	default:
		return false
	}
	return ok
}

// timeOfDay reads [T| ]hh:mm[:ss[.fff]] [am|pm] and a zone.
func (p *writtenDate) timeOfDay(c *scanner) bool {
	if c.at == len(c.s) {
		return true
	}
	if !c.accept('T') && !c.accept('t') {
		before := c.at
		c.accept(',')
		c.spaces()
		if c.digits() == 0 {
			return c.at > before && p.zone(c) || c.at == before && p.zone(c)
		}
		if before == c.at && c.digits() != 6 {
			return false
		}
	}
	if !p.clock(c) {
		return false
	}
	c.spaces()
	if w := strings.ToLower(c.rest()); strings.HasPrefix(w, "am") || strings.HasPrefix(w, "pm") {
		p.hour = p.hour%12 + map[byte]int{'a': 0, 'p': 12}[w[0]]
		c.at += 2
		c.spaces()
	}
	return c.at == len(c.s) || p.zone(c)
}

func (p *writtenDate) clock(c *scanner) bool {
	hour, ok := c.number(1, 2)
	p.hour = hour
	if !ok {
		return false
	}
	colon := c.accept(':')
	if !colon && c.digits() == 0 {
		return strings.ContainsAny(strings.ToLower(c.rest()), "apm")
	}
	if p.minute, ok = c.number(2, 2); !ok {
		return false
	}
	if c.accept(':') || !colon && c.digits() >= 2 {
		if p.second, ok = c.number(2, 2); !ok {
			return false
		}
		if c.accept('.') || c.accept(',') {
			if !p.fraction(c, 9) {
				return false
			}
		}
	}
	return p.hour <= 24 && p.minute <= 59 && p.second <= 60
}
