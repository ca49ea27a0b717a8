package mongoerr

import (
	"errors"
	"fmt"
	"testing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]int32{}
	for code, name := range names {
		if other, ok := seen[name]; ok {
			t.Errorf("%d and %d are both named %s", code, other, name)
		}
		seen[name] = code
	}
	for code, want := range map[int32]string{BadValue: "BadValue", WriteConflict: "WriteConflict", DuplicateKey: "DuplicateKey", 40324: "Location40324"} {
		if got := NameOf(code); got != want {
			t.Errorf("%d is named %s, want %s", code, got, want)
		}
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	e := New(BadValue, "unknown operator: %s", "$x")
	if got := From(fmt.Errorf("find: %w", e)); got != e {
		t.Errorf("From lost the error inside: %v", got)
	}
	if got := From(errors.New("boom")); got.Code != InternalError || got.Message != "boom" {
		t.Errorf("From(boom) = %v", got)
	}
	if From(nil) != nil || CodeOf(nil) != 0 || CodeOf(e) != BadValue {
		t.Error("nil or a plain error has the wrong code")
	}
}

func TestWithLabelCopies(t *testing.T) {
	t.Parallel()
	e := New(WriteConflict, "conflict")
	l := e.WithLabel(TransientTransactionError).WithLabel(TransientTransactionError)
	if e.HasLabel(TransientTransactionError) || !l.HasLabel(TransientTransactionError) || len(l.Labels) != 1 {
		t.Errorf("labels %v and %v", e.Labels, l.Labels)
	}
}
