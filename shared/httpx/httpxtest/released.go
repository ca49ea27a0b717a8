package httpxtest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var update = flag.Bool("update-openapi", false, "take the present OpenAPI document as the released one, if nothing breaks")

// Released fails the test if the OpenAPI document at file breaks a client of the one kept at released. With the flag
// -update-openapi it keeps the present document, once nothing breaks.
func Released(t *testing.T, released, file string) {
	t.Helper()
	old, err := openapi3.NewLoader().LoadFromFile(released)
	if err != nil && !(*update && os.IsNotExist(err)) {
		t.Fatalf("the released document: %v", err)
	}
	next, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if old != nil {
		for _, line := range Broken(old, next) {
			t.Error(line)
		}
	}
	if !*update || t.Failed() {
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(released), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(released, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
