package manifest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/functional"
	"github.com/strata-crm/strata/operational"
	"github.com/strata-crm/strata/shared/config"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/strategic"
)

// root is the folder deploy.
const root = "../.."

// layer is what a service's code says about how it is configured.
type layer struct {
	name string
	port string
	// load loads the service's configuration and returns the common part.
	load func(environ []string, file string) (host.Config, error)
	// settings describes the effective settings.
	settings func(environ []string, file string) ([]config.Setting, error)
	secrets  []string // the variables that are secret
}

func layers(t *testing.T) []layer {
	t.Helper()
	return []layer{
		of(t, "strategic", "7071", func(c strategic.Config) host.Config { return c.Config }),
		of(t, "functional", "7072", func(c functional.Config) host.Config { return c.Config }),
		of(t, "operational", "7073", func(c operational.Config) host.Config { return c.Config }),
	}
}

func of[C any](t *testing.T, name, port string, common func(C) host.Config) layer {
	t.Helper()
	l := layer{name: name, port: port}
	l.load = func(environ []string, file string) (host.Config, error) {
		c, err := config.Load[C](name, environ, file)
		if err != nil {
			return host.Config{}, err
		}
		h := common(c)
		return h, h.Validate()
	}
	l.settings = func(environ []string, file string) ([]config.Setting, error) {
		c, err := config.Load[C](name, environ, file)
		if err != nil {
			return nil, err
		}
		return config.Describe(name, c)
	}
	l.secrets = secrets(reflect.TypeFor[C](), "", "STRATA_"+strings.ToUpper(name)+"_")
	if len(l.secrets) == 0 {
		t.Fatalf("%s has no secret: the tests would compare nothing", name)
	}
	return l
}

// secrets lists the variables that a configuration's tags call secret.
func secrets(c reflect.Type, prefix, layer string) []string {
	var all []string
	for i := range c.NumField() {
		f := c.Field(i)
		key := strings.Trim(prefix+"."+f.Tag.Get("config"), ".")
		if f.Tag.Get("secret") == "true" {
			all = append(all, layer+strings.ToUpper(strings.ReplaceAll(key, ".", "_")))
		} else if f.Type.Kind() == reflect.Struct {
			all = append(all, secrets(f.Type, key, layer)...)
		}
	}
	return all
}

// read reads YAML strictly: a name that the type does not have is an error.
func read(t *testing.T, file string, into any) {
	t.Helper()
	f, err := os.Open(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// exists fails the test when a file that another names is not there.
func exists(t *testing.T, named, by string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, named)); err != nil {
		t.Errorf("%s names %s, which is not there", by, named)
	}
}

// environ writes settings as lines of an environment.
func environ(settings map[string]string) []string {
	var lines []string
	for name, value := range settings {
		lines = append(lines, fmt.Sprintf("%s=%s", name, value))
	}
	return lines
}
