package metric

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/shared/contract"
)

// What the shared table holds cannot be computed; the functional layer refuses each of it with its place.
func TestTheSharedTableIsRefused(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "contract", "testdata", "definitions", "refused.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var table []struct {
		Name       string
		Definition map[string]any
	}
	if err := yaml.Unmarshal(raw, &table); err != nil || len(table) == 0 {
		t.Fatalf("%d definitions, %v", len(table), err)
	}
	for _, c := range table {
		c.Definition["id"], c.Definition["version"] = "m", "1.0.0"
		wire, err := json.Marshal(c.Definition)
		if err != nil {
			t.Fatal(err)
		}
		var d contract.Definition
		if err := json.Unmarshal(wire, &d); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if Supported(monthly(d)) == nil {
			t.Errorf("%s can be computed", c.Name)
		}
	}
}
