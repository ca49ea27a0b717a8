package contract

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// plain reads a body as [Encode] writes it: no white space, the fields in their order, no escapes in texts. Such a body has
// the value that encoding/json gives it, and is read in a fraction of the time; of events there are many. Of any other body
// it says no, and e is not to be used.
func (e *CustomerEvent) plain(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	c := &cursor{s: string(data)} // whose parts the texts are
	c.object(func() {
		readText(c, "source", &e.Source)
		readText(c, "id", &e.ID)
		if c.name("assigned") {
			e.Assigned = c.flag()
		}
		readText(c, "call", &e.Call)
		readText(c, "event", &e.Event)
		readText(c, "customerKey", &e.CustomerKey)
		readText(c, "userId", &e.UserID)
		readText(c, "anonymousId", &e.AnonymousID)
		readText(c, "previousId", &e.PreviousID)
		c.instant("time", &e.Time)
		c.instantOf("originalTimestamp", &e.OriginalTimestamp)
		c.instantOf("sentAt", &e.SentAt)
		c.instant("receivedAt", &e.ReceivedAt)
		if c.name("parameters") {
			e.Parameters = c.raws()
		}
		if c.name("asked") {
			e.Asked = list(c, (*Asked).plain)
		}
		readText(c, "content", &e.Content)
		if c.name("import") {
			e.Import = new(ImportRow)
			e.Import.plain(c)
		}
		readText(c, "format", &e.Format)
		readText(c, "trust", &e.Trust)
	})
	return !c.failed && c.at == len(c.s)
}

func (a *Asked) plain(c *cursor) {
	c.object(func() {
		readText(c, "directive", &a.Directive)
		if c.name("revision") {
			a.Revision = c.whole()
		}
		if c.name("purposes") {
			a.Purposes = list(c, func(p *Purpose, c *cursor) { *p = Purpose(c.text()) })
		}
	})
}

func (r *ImportRow) plain(c *cursor) {
	c.object(func() {
		readText(c, "run", &r.Run)
		if c.name("row") {
			r.Row = c.whole()
		}
	})
}

// cursor goes through JSON as encoding/json writes it. Once something is not as expected it has failed, and stays so.
type cursor struct {
	s      string // valid UTF-8
	at     int
	begun  bool // the object or array has a member already
	failed bool
}

// take passes the byte if it comes next.
func (c *cursor) take(b byte) bool {
	if c.failed || c.at >= len(c.s) || c.s[c.at] != b {
		return false
	}
	c.at++
	return true
}

func (c *cursor) want(b byte) {
	if !c.take(b) {
		c.failed = true
	}
}

// enclosed reads what stands between two brackets.
func (c *cursor) enclosed(from, to byte, inner func()) {
	c.want(from)
	c.begun = false
	inner()
	c.want(to)
	c.begun = true
}

func (c *cursor) object(members func()) { c.enclosed('{', '}', members) }

// name passes the name of a member if it comes next.
func (c *cursor) name(n string) bool {
	rest := c.s[c.at:]
	if c.begun {
		if rest == "" || rest[0] != ',' {
			return false
		}
		rest = rest[1:]
	}
	end := len(n) + 1
	if c.failed || len(rest) < end+2 || rest[0] != '"' || rest[1:end] != n || rest[end:end+2] != `":` {
		return false
	}
	c.at, c.begun = len(c.s)-len(rest)+end+2, true
	return true
}

// more passes what stands before a further member, and reports whether there is one before the closing bracket.
func (c *cursor) more(closing byte) bool {
	if c.failed || c.at >= len(c.s) || c.s[c.at] == closing {
		return false
	}
	if c.begun {
		c.want(',')
	}
	c.begun = true
	return !c.failed
}

func list[T any](c *cursor, read func(*T, *cursor)) []T {
	items := make([]T, 0, 1)
	c.enclosed('[', ']', func() {
		for c.more(']') {
			var item T
			read(&item, c)
			items = append(items, item)
		}
	})
	return items
}

// raws reads an object whose values are kept as they are.
func (c *cursor) raws() map[ParameterName]json.RawMessage {
	values := map[ParameterName]json.RawMessage{}
	c.object(func() {
		for c.more('}') {
			name := c.text()
			c.want(':')
			from := c.at
			if c.value(0); !c.failed {
				values[ParameterName(name)] = json.RawMessage(c.s[from:c.at])
			}
		}
	})
	return values
}

func readText[T ~string](c *cursor, name string, into *T) {
	if c.name(name) {
		*into = T(c.text())
	}
}

func (c *cursor) text() string {
	c.want('"')
	if c.failed {
		return ""
	}
	for i := c.at; i < len(c.s); i++ {
		switch b := c.s[i]; {
		case b == '"':
			s := c.s[c.at:i]
			c.at = i + 1
			return s
		case b < ' ' || b == '\\':
			c.failed = true
			return ""
		}
	}
	c.failed = true
	return ""
}

func (c *cursor) instant(name string, into *time.Time) {
	if !c.name(name) {
		return
	}
	from := c.at
	if c.text(); !c.failed && into.UnmarshalJSON([]byte(c.s[from:c.at])) != nil {
		c.failed = true
	}
}

func (c *cursor) instantOf(name string, into **time.Time) {
	before := c.at
	var t time.Time
	if c.instant(name, &t); c.at != before {
		*into = &t
	}
}

func (c *cursor) flag() bool {
	if c.word("true") {
		return true
	}
	c.failed = !c.word("false")
	return false
}

func (c *cursor) word(w string) bool {
	if c.failed || !strings.HasPrefix(c.s[c.at:], w) {
		return false
	}
	c.at += len(w)
	return true
}

func (c *cursor) whole() int64 {
	from := c.at
	c.number()
	n, err := strconv.ParseInt(c.s[from:c.at], 10, 64)
	if err != nil {
		c.failed = true
	}
	return n
}

func (c *cursor) digits() {
	from := c.at
	for c.at < len(c.s) && '0' <= c.s[c.at] && c.s[c.at] <= '9' {
		c.at++
	}
	if c.at == from {
		c.failed = true
	}
}

func (c *cursor) number() {
	c.take('-')
	if !c.take('0') {
		c.digits()
	}
	if c.take('.') {
		c.digits()
	}
	if c.take('e') || c.take('E') {
		if !c.take('+') {
			c.take('-')
		}
		c.digits()
	}
}

// deepest is how deep the values of parameters may be; encoding/json sees to deeper ones.
const deepest = 8

// value passes any value but null, of which encoding/json has its own view.
func (c *cursor) value(depth int) {
	if c.failed || c.at >= len(c.s) || depth > deepest {
		c.failed = true
		return
	}
	switch c.s[c.at] {
	case '"':
		c.text()
	case '{':
		c.object(func() {
			for c.more('}') {
				c.text()
				c.want(':')
				c.value(depth + 1)
			}
		})
	case '[':
		c.enclosed('[', ']', func() {
			for c.more(']') {
				c.value(depth + 1)
			}
		})
	case 't', 'f':
		c.flag()
	default:
		c.number()
	}
}
