package expr

import (
	"strings"
	"time"
)

// parseFree reads the usual written forms of a date: ISO 8601, YYYY/MM/DD, YYYYMMDD, MM/DD/YYYY, DD-MM-YYYY, and month names, each
// with an optional time and zone.
func (p *writtenDate) parseFree(text string) error {
	c := &scanner{s: strings.TrimRight(text, " \t\n\x00\u00a0")}
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
	if c.accept('-') && c.digits() == 4 {
		ok := p.yearFirst(c)
		p.year = -p.year
		return ok
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
	if c.digits() == 2 {
		// The form of Unix's date command: Wed Jan 31 12:05:28 +03:30 1996.
		if !p.clock(c) {
			return false
		}
		c.spaces()
		if c.digits() != 4 && !p.zone(c) {
			return false
		}
		c.spaces()
	}
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
