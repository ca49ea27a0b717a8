package fault

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[Kind]struct {
		name   string
		status int
		action Action
	}{
		Internal:  {"internal", http.StatusInternalServerError, Retry},
		Invalid:   {"invalid", http.StatusUnprocessableEntity, Quarantine},
		NotFound:  {"not_found", http.StatusNotFound, Quarantine},
		Conflict:  {"conflict", http.StatusConflict, Retry},
		Denied:    {"denied", http.StatusForbidden, Quarantine},
		Transient: {"transient", http.StatusServiceUnavailable, Retry},
	} {
		if kind.String() != want.name || kind.Status() != want.status || kind.Action() != want.action {
			t.Errorf("%d is %s, %d, %v; want %+v", kind, kind, kind.Status(), kind.Action(), want)
		}
	}
	if len(table) != 6 {
		t.Errorf("%d kinds: a new one needs a row in this test", len(table))
	}
}

func TestKindAndCodeOfAnError(t *testing.T) {
	t.Parallel()
	denied := New(Denied, PolicyDenied, "no")
	for name, c := range map[string]struct {
		err  error
		kind Kind
		code Code
	}{
		"nobody classified it": {io.EOF, Internal, "internal"},
		"cancelled":            {fmt.Errorf("read: %w", context.Canceled), Transient, "transient"},
		"too late":             {context.DeadlineExceeded, Transient, "transient"},
		"wrapped":              {fmt.Errorf("issue: %w", denied), Denied, PolicyDenied},
		"the outermost counts": {Wrap(Invalid, BadRequest, denied, "bad"), Invalid, BadRequest},
		"without a code":       {New(NotFound, "", "nothing there"), NotFound, "not_found"},
		"joined":               {errors.Join(io.EOF, denied), Denied, PolicyDenied},
	} {
		if KindOf(c.err) != c.kind || CodeOf(c.err) != c.code || !Is(c.err, c.kind) {
			t.Errorf("%s: %s, %s; want %s, %s", name, KindOf(c.err), CodeOf(c.err), c.kind, c.code)
		}
	}
	if Is(nil, Internal) {
		t.Error("no error is an internal one")
	}
}

func TestTextsOfErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"no such goal g1":           New(NotFound, "", "no such goal %s", "g1"),
		"read goal: EOF":            New(Transient, "", "read goal: %w", io.EOF),
		"/name: is missing":         &Error{Kind: Invalid, At: "/name", Text: "is missing"},
		"the database is away: EOF": Wrap(Transient, Unavailable, io.EOF, "the database is away"),
		"/a: wrong: unexpected EOF": &Error{At: "/a", Text: "wrong", Err: io.ErrUnexpectedEOF},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	if !errors.Is(New(Transient, "", "read: %w", io.EOF), io.EOF) || !errors.Is(Wrap(Transient, "", io.EOF, "away"), io.EOF) {
		t.Error("the cause is lost")
	}
	if Wrap(Transient, "", nil, "away") != nil {
		t.Error("wrapping nothing is an error")
	}
}

// TestCodesAreOneClosedList reads the list itself: every code is typed, in snake case, and there once.
func TestCodesAreOneClosedList(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	snake, seen := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`), map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Code" {
			t.Errorf("%s is not a Code", spec.Names[0])
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || !snake.MatchString(code) || seen[code] {
			t.Errorf("%s: code %q must be in snake case and there once", spec.Names[0], code)
		}
		seen[code] = true
		return true
	})
	if len(seen) < 40 {
		t.Errorf("found only %d codes", len(seen))
	}
}
