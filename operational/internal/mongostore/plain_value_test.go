package mongostore

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlainValues: the short way gives what the decoder gives, or leaves the value to it.
func TestPlainValues(t *testing.T) {
	t.Parallel()
	for raw, short := range map[string]bool{
		`1177`: true, `-5`: true, `0`: true, `-0`: true, `999999999999999999`: true,
		`9223372036854775807`: false, `99999999999999999999`: false, `11.5`: false, `1e3`: false, `-`: false, `01`: false, `+1`: false, `1_0`: false, ``: false,
		`""`: true, `"Kate"`: true, `"Käte"`: true, `"a b"`: true, `"a\"b"`: false, `"a\u0062"`: false, "\"\xff\"": false, "\"a\nb\"": false, `"a`: false, `"`: false, `"a"b"`: false,
		`{}`: true, `{"minor":1177,"currency":"USD"}`: true, `{"currency":"USD","minor":-1}`: true, `{"a":1,"a":2}`: true, `{"a": 1 , "b" : "c"}`: true,
		`{"a":{"b":1}}`: false, `{"a":1.5}`: false, `{"a":[1]}`: false, `{"a":null}`: false, `{"a"}`: false, `{"a":1}}`: false,
		`true`: false, `false`: false, `null`: false, `[1,2]`: false, `NaN`: false, ` 1`: false,
	} {
		got, ok := plainValue([]byte(raw))
		if ok != short {
			t.Errorf("%q goes the short way: %t, want %t", raw, ok, short)
		}
		if !ok {
			continue
		}
		want, err := decoded(json.RawMessage(raw))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%q: %v (-decoder +short)\n%s", raw, err, d)
		}
	}
}
