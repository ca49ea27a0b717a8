package collect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Limits of one item.
const (
	MaxItemBytes  = 32 << 10
	maxID         = 100
	maxIdentifier = 300
	maxEvent      = 200
)

// calls are the kinds of items of the public interface, the de-facto standard of customer data platforms.
var calls = []string{"identify", "track", "page", "screen", "group", "alias"}

// item is one call as it was sent. Times are as sent; whole is everything, for the content hash.
type item struct {
	Type              string
	MessageID         string
	UserID            string
	AnonymousID       string
	PreviousID        string
	GroupID           string
	Event             string
	Name              string
	Timestamp         *time.Time
	OriginalTimestamp *time.Time
	SentAt            *time.Time
	Fields            map[string]any // properties of track, page and screen; traits of identify and group; numbers as json.Number

	whole map[string]any
}

// invalid says what is wrong with an item, at which place in it.
func invalid(code fault.Code, at, format string, args ...any) error {
	e := fault.New(fault.Invalid, code, format, args...)
	e.At = at
	return e
}

// parse reads an item. as is the call of the route it came by ("" for a batch, whose items name their own).
func parse(raw []byte, as string) (*item, error) {
	if len(raw) > MaxItemBytes {
		return nil, invalid(fault.TooLarge, "", "the item has %d bytes and at most %d are allowed", len(raw), MaxItemBytes)
	}
	whole, err := object(raw)
	if err != nil {
		return nil, err
	}
	it := &item{whole: whole}
	if err := it.read(as); err != nil {
		return nil, err
	}
	return it, it.check()
}

func object(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // money must not pass through a float
	var v map[string]any
	if err := d.Decode(&v); err != nil || v == nil {
		return nil, invalid(fault.WrongType, "", "the item must be a JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalid(fault.WrongType, "", "the item must be one JSON object and nothing behind it")
	}
	return v, nil
}

func (it *item) read(as string) error {
	r := reader{from: it.whole}
	it.Type = r.text("type", maxEvent)
	if as != "" {
		if it.Type == "" {
			it.Type = as
			it.whole["type"] = as
		} else if it.Type != as {
			return invalid(fault.WrongType, "/type", "is %q but the item was sent to /v1/%s", it.Type, as)
		}
	}
	it.MessageID = r.text("messageId", maxID)
	it.UserID = r.identifier("userId")
	it.AnonymousID = r.identifier("anonymousId")
	it.PreviousID = r.identifier("previousId")
	it.GroupID = r.identifier("groupId")
	it.Event, it.Name = r.text("event", maxEvent), r.text("name", maxEvent)
	it.Timestamp, it.OriginalTimestamp, it.SentAt = r.time("timestamp"), r.time("originalTimestamp"), r.time("sentAt")
	switch it.Type {
	case "identify", "group":
		it.Fields = r.object("traits")
	default:
		it.Fields = r.object("properties")
	}
	return r.err
}

func (it *item) check() error {
	switch {
	case !slices.Contains(calls, it.Type):
		return invalid(fault.WrongType, "/type", "must be one of %s", strings.Join(calls, ", "))
	case it.UserID == "" && it.AnonymousID == "":
		return invalid(fault.MissingField, "/userId", "needs a userId or an anonymousId")
	case it.Type == "track" && it.Event == "":
		return invalid(fault.MissingField, "/event", "a track call needs the event's name")
	case it.Type == "group" && it.GroupID == "":
		return invalid(fault.MissingField, "/groupId", "a group call needs a groupId")
	case it.Type == "alias" && (it.PreviousID == "" || it.UserID == ""):
		return invalid(fault.MissingField, "/previousId", "an alias call needs a previousId and a userId")
	}
	return nil
}

// occurred returns the sender's time of the item, or nil where it names none.
func (it *item) occurred() *time.Time {
	if it.OriginalTimestamp != nil {
		return it.OriginalTimestamp
	}
	return it.Timestamp
}

// consent returns the purposes that the customer has consented to, as the item states it in the form that customer data
// platforms share: context.consent.categoryPreferences, by purpose.
func (it *item) consent() (map[contract.Purpose]bool, error) {
	r := reader{from: it.whole}
	for _, name := range []string{"context", "consent", "categoryPreferences"} {
		inner := r.object(name)
		r.from, r.at = inner, r.at+"/"+name
	}
	granted := map[contract.Purpose]bool{}
	for name, v := range r.from {
		yes, ok := v.(bool)
		if !ok {
			r.fail(name, "must be true or false")
		}
		granted[contract.Purpose(name)] = yes
	}
	return granted, r.err
}

// canonical returns the item in the one form that its content hash is taken of: keys sorted, numbers in their shortest
// form, without sentAt, receivedAt and times derived from others, which differ between two sendings of one item.
func (it *item) canonical() []byte {
	whole := make(map[string]any, len(it.whole))
	for k, v := range it.whole {
		whole[k] = v
	}
	delete(whole, "sentAt")
	delete(whole, "receivedAt")
	if it.OriginalTimestamp != nil {
		delete(whole, "timestamp")
	}
	b, _ := json.Marshal(shortest(whole)) // what was decoded from JSON always encodes
	return b
}

// reader takes fields of known types out of a decoded object and keeps the first error.
type reader struct {
	from map[string]any
	at   string
	err  error
}

func (r *reader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = invalid(fault.WrongType, r.at+"/"+name, format, args...)
	}
}

func (r *reader) text(name string, limit int) string {
	switch v := r.from[name].(type) {
	case nil:
	case string:
		if len(v) <= limit && utf8.ValidString(v) && !strings.ContainsRune(v, 0) {
			return v
		}
		r.fail(name, "must be text of at most %d bytes", limit)
	default:
		r.fail(name, "must be text")
	}
	return ""
}

// identifier takes text, or a whole number, which many senders use for ids.
func (r *reader) identifier(name string) string {
	if n, ok := r.from[name].(json.Number); ok && !strings.ContainsAny(n.String(), ".eE") {
		return n.String()
	}
	return r.text(name, maxIdentifier)
}

func (r *reader) time(name string) *time.Time {
	s := r.text(name, maxID)
	if s == "" {
		return nil
	}
	t, err := parseTime(s)
	if err != nil {
		r.fail(name, "must be an RFC 3339 time such as 2026-11-24T09:30:00.000Z")
		return nil
	}
	return &t
}

func (r *reader) object(name string) map[string]any {
	switch v := r.from[name].(type) {
	case nil:
	case map[string]any:
		return v
	default:
		r.fail(name, "must be an object")
	}
	return nil
}

// parseTime reads an RFC 3339 time of the years 1 to 9999, in UTC and whole milliseconds.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, err
	}
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return t, fmt.Errorf("year %d", y)
	}
	return t.UTC().Truncate(time.Millisecond), nil
}
