package governance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// named are the actions that the services' interfaces ask policy about, as their code names them.
func named(t *testing.T) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			if os.Getenv("CI") != "" {
				t.Fatal("the other services' code is not here, and CI needs it")
			}
			t.Skip("the other services' code is not here")
		}
	}
	constant := regexp.MustCompile(`(?m)^(?:const |\t)[a-zA-Z]+ += "([a-z]+(?:_[a-z]+)?)"$`)
	actions := []string{"read"} // a constant of another package in two of them
	for _, layer := range []string{"strategic", "functional", "operational"} {
		for _, file := range []string{"server.go", "people.go"} {
			code, err := os.ReadFile(filepath.Join(dir, layer, "internal", "httpapi", file))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			for _, m := range constant.FindAllStringSubmatch(string(code), -1) {
				actions = append(actions, m[1])
			}
		}
	}
	return actions
}

// TestDefaultRolesMayWhatThereIs: the rules that are proposed give roles actions that exist, and leave none out but to govern,
// which is executives' without rules.
func TestDefaultRolesMayWhatThereIs(t *testing.T) {
	t.Parallel()
	there := named(t)
	var granted []string
	for role, actions := range Default().Roles {
		for _, a := range actions {
			if granted = append(granted, a); !slices.Contains(there, a) {
				t.Errorf("%s may %s, which nothing asks about", role, a)
			}
		}
	}
	for _, a := range there {
		if !slices.Contains(granted, a) && !strings.HasSuffix(a, "_governance") {
			t.Errorf("nobody may %s", a)
		}
	}
	if len(there) < 20 {
		t.Errorf("only %v were found", there)
	}
}
