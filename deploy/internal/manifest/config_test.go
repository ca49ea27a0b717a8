package manifest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestExampleConfiguration loads each example as the service would, with the secrets from the environment.
func TestExampleConfiguration(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "config", "*.yaml"))
	if err != nil || len(files) != len(layers(t)) {
		t.Fatalf("there are %d examples, want one for each layer (%v)", len(files), err)
	}
	for _, l := range layers(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(root, "config", l.name+".yaml")
			h, err := l.load(l.someSecrets(), file)
			if err != nil {
				t.Fatal(err)
			}
			if h.SignIn.Issuer == "" || h.SignIn.Audience == "" {
				t.Error("nobody could sign in")
			}
			if !strings.HasSuffix(h.HTTP.Listen, ":"+l.port) {
				t.Errorf("listens on %s, want port %s", h.HTTP.Listen, l.port)
			}
			noSecretIn(t, l, file)
		})
	}
}

// noSecretIn fails the test when the file holds a secret, or does not say where a secret belongs.
func noSecretIn(t *testing.T, l layer, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var values any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	described, err := l.settings(l.someSecrets(), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range described {
		if !slices.Contains(l.secrets, d.Variable) {
			continue
		}
		if at(values, strings.Split(d.Path, ".")) != nil {
			t.Errorf("the example holds the secret %s", d.Path)
		}
		if !strings.Contains(string(text), d.Variable) {
			t.Errorf("the example does not say that %s is set in the environment", d.Variable)
		}
	}
}

// at returns what lies at a path of a YAML document, nil for nothing.
func at(values any, path []string) any {
	for _, name := range path {
		section, ok := values.(map[string]any)
		if !ok {
			return nil
		}
		values = section[name]
	}
	return values
}

// someSecrets gives each secret a value.
func (l layer) someSecrets() []string {
	var lines []string
	for _, s := range l.secrets {
		lines = append(lines, s+"=from-the-environment")
	}
	return lines
}
