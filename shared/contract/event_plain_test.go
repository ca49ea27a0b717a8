package contract

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// samePlain checks that a body which is read plainly has the value that encoding/json gives it, and reports whether it is one.
func samePlain(t interface{ Fatalf(string, ...any) }, data []byte) bool {
	var got, want CustomerEvent
	if !got.plain(data) {
		return false
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatalf("%s: encoding/json says %v", data, err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-encoding/json +plain):\n%s", data, d)
	}
	return true
}

func encodedEvent(t interface{ Fatalf(string, ...any) }, e *CustomerEvent) []byte {
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return data
}

// What the gateway publishes is read plainly: with the most fields that it sets, and with the fewest.
func TestEventsAreReadPlainly(t *testing.T) {
	t.Parallel()
	full := customerEvent()
	full.Assigned, full.UserID, full.AnonymousID, full.PreviousID, full.Event, full.Trust = true, "Käte", "a", "p", "Order Completed", "verified"
	full.OriginalTimestamp, full.SentAt, full.Import = &full.Time, &full.ReceivedAt, &ImportRow{Run: "run", Row: 7}
	full.Parameters = map[ParameterName]json.RawMessage{"a": []byte(`{"minor":-5,"currency":"EUR"}`), "b": []byte(`[1.5e3,true,"x",[],{}]`), "c": []byte(`"é"`), "d": []byte(`-0`)}
	for name, e := range map[string]*CustomerEvent{"full": full, "golden": customerEvent(), "empty": {Parameters: map[ParameterName]json.RawMessage{}, Asked: []Asked{}}} {
		if data := encodedEvent(t, e); !samePlain(t, data) {
			t.Errorf("%s is not read plainly: %s", name, data)
		}
	}
}

func TestOtherEventsAreLeftToTheDecoder(t *testing.T) {
	t.Parallel()
	data := string(encodedEvent(t, customerEvent()))
	for _, other := range []string{"", "null", " " + data, data + "\n", data + "}", data[:len(data)-1], `{"Source":"a"}`, `{"source":"a","source":"b"}`,
		`{"id":"a","source":"b"}`, `{"source":"a",}`, `{,"source":"a"}`, `{"source":"\u0061"}`, `{"source":null}`, "{\"source\":\"\xff\"}", "{\"source\":\"a\nb\"}",
		`{"time":"yesterday"}`, `{"parameters":{"a":null}}`, `{"parameters":{"a":01}}`, `{"parameters":{"a":1.}}`, `{"parameters":{"a":[1,]}}`, `{"parameters":{"a":tru}}`,
		`{"asked":[{"directive":"d","revision":1.5}]}`, `{"asked":[{"directive":"d","revision":9223372036854775808}]}`, `{"asked":[,]}`, `{"sometime":1}`} {
		if samePlain(t, []byte(other)) {
			t.Errorf("%s was read plainly", other)
		}
	}
}

// Any event, whole or with some of its bytes changed.
func TestPlainEventsAreWhatTheDecoderSays(t *testing.T) {
	t.Parallel()
	events := anything[CustomerEvent]()
	rapid.Check(t, func(t *rapid.T) {
		e := events.Draw(t, "event")
		data := encodedEvent(t, &e)
		samePlain(t, data)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
			piece := rapid.SampledFrom([]string{"", ",", "{", "}", "[", "]", `"`, ":", "0", "-", "1e5", "null", "true", `\`, " ", "\xff", `"a":`, `{}`}).Draw(t, "piece")
			data = append(append(append([]byte{}, data[:at]...), piece...), data[at+rapid.IntRange(0, 1).Draw(t, "instead"):]...)
		}
		samePlain(t, data)
	})
}

func FuzzPlainEvent(f *testing.F) {
	f.Add(encodedEvent(f, customerEvent()))
	f.Add([]byte(`{"source":"a","parameters":{"x":[1,{"y":-0.5e+1}],"x":false},"asked":[{"purposes":["p"]},{}],"import":{"row":-0}}`))
	f.Fuzz(func(t *testing.T, data []byte) { samePlain(t, data) })
}

func BenchmarkDecodeEvent(b *testing.B) {
	data := encodedEvent(b, customerEvent())
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if e := (CustomerEvent{}); !e.plain(data) {
				b.Fatal("not plain")
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var e CustomerEvent
			if err := json.Unmarshal(data, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
