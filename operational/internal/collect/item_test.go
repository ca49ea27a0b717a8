package collect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func TestMinorUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		decimal, currency string
		want              int64
		wrong             bool
	}{
		{"11.77", "USD", 1177, false},
		{"11.770", "USD", 1177, false},
		{"11.5", "EUR", 1150, false},
		{"0", "USD", 0, false},
		{"0.00", "USD", 0, false},
		{"-3.10", "USD", -310, false},
		{"1.1e1", "USD", 1100, false},
		{"1e3", "JPY", 1000, false},
		{"1100e-2", "JPY", 11, false},
		{"1.234", "BHD", 1234, false},
		{"0.29", "USD", 29, false}, // 28.999… as a float
		{"90071992547409.93", "USD", 9007199254740993, false},
		{"11.777", "USD", 0, true},
		{"1.5", "JPY", 0, true},
		{"1e999999999", "USD", 0, true},
		{"99999999999999999999", "USD", 0, true},
		{"eleven", "USD", 0, true},
		{"", "USD", 0, true},
		{".5", "USD", 0, true},
		{"1,5", "USD", 0, true},
		{"0x10", "USD", 0, true},
		{"1", "ZZZ9", 0, true},
	} {
		got, err := minor(c.decimal, c.currency)
		if (err != nil) != c.wrong || got != c.want {
			t.Errorf("minor(%q, %s) = %d, %v; want %d, wrong %v", c.decimal, c.currency, got, err, c.want, c.wrong)
		}
	}
}

// TestMinorUnitsAreExact compares with integer arithmetic over all that fits.
func TestMinorUnitsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		want := rapid.Int64Range(-1<<60, 1<<60).Draw(r, "cents")
		sign, n := "", want
		if n < 0 {
			sign, n = "-", -n
		}
		text := fmt.Sprintf("%s%d.%02d%s", sign, n/100, n%100, strings.Repeat("0", rapid.IntRange(0, 3).Draw(r, "zeros")))
		if got, err := minor(text, "EUR"); err != nil || got != want {
			r.Fatalf("minor(%s) = %d, %v; want %d", text, got, err, want)
		}
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		raw, as string
		code    fault.Code
		at      string
	}{
		"good":              {`{"type":"track","event":"E","userId":"u"}`, "", "", ""},
		"a number as id":    {`{"event":"E","userId":17}`, "track", "", ""},
		"not an object":     {`[1]`, "track", fault.WrongType, ""},
		"null":              {`null`, "track", fault.WrongType, ""},
		"two objects":       {`{"userId":"u","event":"E"}{}`, "track", fault.WrongType, ""},
		"another call":      {`{"type":"page","userId":"u"}`, "track", fault.WrongType, "/type"},
		"unknown call":      {`{"type":"teleport","userId":"u"}`, "", fault.WrongType, "/type"},
		"nobody":            {`{"event":"E"}`, "track", fault.MissingField, "/userId"},
		"no event":          {`{"userId":"u"}`, "track", fault.MissingField, "/event"},
		"no group":          {`{"userId":"u"}`, "group", fault.MissingField, "/groupId"},
		"no previous":       {`{"userId":"u"}`, "alias", fault.MissingField, "/previousId"},
		"a wrong time":      {`{"userId":"u","event":"E","timestamp":"yesterday"}`, "track", fault.WrongType, "/timestamp"},
		"a long id":         {`{"userId":"u","event":"E","messageId":"` + strings.Repeat("x", 101) + `"}`, "track", fault.WrongType, "/messageId"},
		"properties a list": {`{"userId":"u","event":"E","properties":[]}`, "track", fault.WrongType, "/properties"},
		"too large":         {`{"userId":"u","event":"E","context":"` + strings.Repeat("x", MaxItemBytes) + `"}`, "track", fault.TooLarge, ""},
	} {
		_, err := parse(json.RawMessage(c.raw), c.as)
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v, want no error", name, err)
			}
			continue
		}
		v := refused("", err)
		if v.Code != c.code || v.At != c.at {
			t.Errorf("%s: %s at %q (%v), want %s at %q", name, v.Code, v.At, err, c.code, c.at)
		}
	}
}

// TestCanonical: two sendings of one item are the same content, two items are not.
func TestCanonical(t *testing.T) {
	t.Parallel()
	canonical := func(raw string) string {
		it, err := parse(json.RawMessage(raw), "track")
		if err != nil {
			t.Fatal(err)
		}
		return string(it.canonical())
	}
	base := `{"userId":"u","event":"E","messageId":"m","originalTimestamp":"2026-01-01T00:00:00Z","properties":{"total":11.5,"n":1}}`
	want := canonical(base)
	for _, same := range []string{
		`{"properties":{"n":1,"total":11.50},"messageId":"m","event":"E","userId":"u","originalTimestamp":"2026-01-01T00:00:00Z"}`,
		`{"userId":"u","event":"E","messageId":"m","originalTimestamp":"2026-01-01T00:00:00Z","sentAt":"2026-01-02T00:00:00Z","receivedAt":"2026-01-02T00:00:00Z","timestamp":"2026-01-01T00:00:01Z","properties":{"total":1.15e1,"n":1.0}}`,
		`{"type":"track","userId":"u","event":"E","messageId":"m","originalTimestamp":"2026-01-01T00:00:00Z","properties":{"total":11.5,"n":1}}`,
	} {
		if got := canonical(same); got != want {
			t.Errorf("the same item has another form:\n%s\n%s", got, want)
		}
	}
	for _, other := range []string{
		strings.Replace(base, "11.5", "11.51", 1), strings.Replace(base, `"n":1`, `"n":"1"`, 1),
		strings.Replace(base, "originalTimestamp", "timestamp", 1), strings.Replace(base, `"u"`, `"v"`, 1),
	} {
		if canonical(other) == want {
			t.Errorf("another item has the same form: %s", other)
		}
	}
	if canonical(strings.Replace(base, "11.5", "9007199254740993", 1)) == canonical(strings.Replace(base, "11.5", "9007199254740992", 1)) {
		t.Error("two large whole numbers have the same form")
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	order := func(id contract.DirectiveID, from time.Time, ps ...contract.Parameter) contract.OperationalDirective {
		d := contract.OperationalDirective{Order: contract.Order{ID: id, Revision: 3, Standing: contract.InForce, ValidFrom: from, Expires: from.Add(time.Hour)}}
		for _, p := range ps {
			d.Collect = append(d.Collect, contract.Collection{Parameter: p})
		}
		return d
	}
	amount := contract.Parameter{Name: "order_amount", Purpose: "value", Method: contract.Method{Call: "track", Event: "Order Completed", Property: "total"}}
	again := amount
	again.Purpose = "retention"
	user := contract.Parameter{Name: "customer_id", Purpose: "value", Method: contract.Method{Call: "track", Event: "Order Completed", Property: "userId"}}
	score := contract.Parameter{Name: "nps", Purpose: "opinion", Method: contract.Method{Call: "track", Event: "Survey Answered", Property: "score"}}
	set := NewSet(7, []contract.OperationalDirective{
		order("a", now, amount, user), order("b", now, again, score), order("later", now.Add(time.Minute), amount),
	})

	w := set.Find("track", "Order Completed", now)
	if len(w.Parameters) != 2 || len(w.Asked) != 2 || w.Asked[0].Purposes[0] != "value" || w.Asked[1].Purposes[0] != "retention" {
		t.Errorf("orders are asked for as %+v, want two parameters by two directives, each with its purpose", w)
	}
	if w := set.Find("track", "Survey Answered", now); len(w.Parameters) != 2 {
		t.Errorf("answers are asked for as %+v, want the score and who the customer is", w)
	}
	if w := set.Find("identify", "", now); len(w.Asked) != 0 || len(w.Parameters) != 0 {
		t.Errorf("identify calls are asked for as %+v, want not at all", w)
	}
	if w := set.Find("track", "Order Completed", now.Add(time.Hour)); len(w.Asked) != 1 || w.Asked[0].Directive != "later" {
		t.Errorf("after expiry orders are asked for as %+v, want by the later directive alone", w)
	}
}

// TestConsent: for a purpose that needs it, only what comes with the customer's consent is kept, and only for that purpose.
func TestConsent(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	wish := func(name contract.ParameterName, purpose contract.Purpose, event, property string) contract.Collection {
		return contract.Collection{Parameter: contract.Parameter{Name: name, Purpose: purpose, Method: contract.Method{Call: "track", Event: event, Property: property}}}
	}
	order := contract.OperationalDirective{Order: contract.Order{ID: "a", Revision: 1, Standing: contract.InForce, ValidFrom: now, Expires: now.Add(time.Hour)}}
	order.Collect = []contract.Collection{wish("order_amount", "value", "Bought", "total"), wish("order_amount", "advertising", "Bought", "total"),
		wish("coupon", "advertising", "Bought", "coupon"), wish("customer_id", "value", "Bought", "userId"), wish("nps", "advertising", "Answered", "score")}
	set := NewSet(1, []contract.OperationalDirective{order}, "advertising")
	told := func(w Wanted) string {
		text := ""
		for _, p := range w.Parameters {
			text += string(p.Name) + " "
		}
		for _, a := range w.Asked {
			text += fmt.Sprint(a.Purposes)
		}
		return text
	}
	for _, c := range []struct {
		event, consent, want string
	}{
		{"Bought", `{"advertising":true,"value":false}`, "order_amount coupon customer_id [value advertising]"},
		{"Bought", `{"advertising":false}`, "order_amount customer_id [value]"},
		{"Bought", `{}`, "order_amount customer_id [value]"},
		{"Answered", `{"advertising":true}`, "nps customer_id [advertising value]"},
		{"Answered", `{"other":true}`, ""}, // the identifier alone makes no item wanted
	} {
		it, err := parse([]byte(`{"type":"track","event":"`+c.event+`","userId":"u","context":{"consent":{"categoryPreferences":`+c.consent+`}}}`), "")
		if err != nil {
			t.Fatal(err)
		}
		granted, err := it.consent()
		if err != nil {
			t.Fatal(err)
		}
		if got := told(set.Find("track", c.event, now).of(granted)); got != c.want {
			t.Errorf("%s with %s: %q is wanted, not %q", c.event, c.consent, got, c.want)
		}
	}
	it, err := parse([]byte(`{"type":"page","userId":"u","context":{"consent":{"categoryPreferences":{"advertising":"yes"}}}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if granted, err := it.consent(); err == nil || granted["advertising"] {
		t.Errorf("a consent that is no boolean is %v, %v", granted, err)
	}
	if got := told(NewSet(1, []contract.OperationalDirective{order}).Find("track", "Answered", now).of(nil)); got != "nps customer_id [advertising value]" {
		t.Errorf("where nothing needs consent %q is wanted", got)
	}
}
