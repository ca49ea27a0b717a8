package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/functional"
	"github.com/strata-crm/strata/operational"
	"github.com/strata-crm/strata/shared/config"
	"github.com/strata-crm/strata/strategic"
)

// settings returns the settings of every service with their defaults, as the code has them.
func settings(t *testing.T) []config.Setting {
	t.Helper()
	all := describe[strategic.Config](t, "strategic")
	all = append(all, describe[functional.Config](t, "functional")...)
	// The one required setting has no default; it is a secret, so its value is not shown.
	return append(all, describe[operational.Config](t, "operational", "STRATA_OPERATIONAL_TENANT_KEY=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")...)
}

func describe[T any](t *testing.T, layer string, environ ...string) []config.Setting {
	t.Helper()
	c, err := config.Load[T](layer, environ, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := config.Describe(layer, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var setting = regexp.MustCompile("(?m)^\\| `(STRATA_[A-Z_]+)` \\| (.*?) \\| (.*?) \\|$")

// configuration returns the page's section on settings.
func configuration(t *testing.T) string {
	t.Helper()
	_, after, ok := strings.Cut(read(t, filepath.Join(root(t), "docs", "operations.md")), "\n## Configuration\n")
	if !ok {
		t.Fatal("the operations page has no section on configuration")
	}
	section, _, _ := strings.Cut(after, "\n## ")
	return section
}

func TestTheOperationsPageListsEverySetting(t *testing.T) {
	t.Parallel()
	listed := map[string][2]string{}
	for _, m := range setting.FindAllStringSubmatch(configuration(t), -1) {
		listed[m[1]] = [2]string{strings.Trim(m[2], "`"), m[3]}
	}
	for _, s := range settings(t) {
		row, ok := listed[s.Variable]
		want := s.Value
		if strings.HasPrefix(want, "(") {
			want = "*secret*"
		}
		if !ok || row[0] != want {
			t.Errorf("%s is listed (%v) with default %q; want %q", s.Variable, ok, row[0], want)
		}
		delete(listed, s.Variable)
	}
	for name := range listed {
		t.Errorf("%s is listed, and no service has it", name)
	}
}

// rule is one alert of docs/runbook/alerts.yaml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(root(t), "docs", "runbook", "alerts.yaml"))), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alerts")
	}
	return all
}

var metric = regexp.MustCompile(`strata_[a-z_]+`)

func TestEveryAlertHasItsPageAndItsMetric(t *testing.T) {
	t.Parallel()
	dir, known := root(t), instruments(t)
	operations, linked := read(t, filepath.Join(dir, "docs", "operations.md")), map[string]bool{}
	for _, r := range rules(t) {
		page := filepath.Join(dir, filepath.FromSlash(r.Annotations["runbook"]))
		linked[page] = true
		if !exists(page) || !strings.Contains(read(t, page), "Alert `"+r.Alert+"`") {
			t.Errorf("%s: %s is not its page", r.Alert, r.Annotations["runbook"])
		}
		if !strings.Contains(operations, "`"+r.Alert+"`") || !strings.Contains(operations, "(runbook/"+filepath.Base(page)+")") {
			t.Errorf("%s is not on the operations page", r.Alert)
		}
		for _, name := range metric.FindAllString(r.Expr, -1) {
			if !known[name] {
				t.Errorf("%s looks at %s, which nothing measures", r.Alert, name)
			}
		}
	}
	for _, name := range metric.FindAllString(operations, -1) {
		if !known[name] && !strings.HasSuffix(name, "_") && !databases[name] {
			t.Errorf("the operations page names %s, which nothing measures", name)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "docs", "runbook", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !linked[file] {
			t.Errorf("no alert leads to %s", filepath.Base(file))
		}
	}
}

// databases look like metrics on the page and are none.
var databases = map[string]bool{"strata_strategic": true, "strata_functional": true, "strata_operational": true, "strata_once": true}

var instrument = regexp.MustCompile(`(?:\.(?:Int64|Float64)(ObservableGauge|Counter|Histogram)\(|telemetry\.(Gauge)\{Name: )"(strata\.[a-z.]+)"(.*)`)

// instruments returns the names under which Prometheus sees what the code measures.
func instruments(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, module := range []string{"shared", "strategic", "functional", "operational"} {
		err := filepath.WalkDir(filepath.Join(root(t), module), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range instrument.FindAllStringSubmatch(string(b), -1) {
				name := strings.ReplaceAll(m[3], ".", "_")
				if strings.Contains(m[4], `WithUnit("s")`) || strings.HasPrefix(m[4], `, Unit: "s"`) {
					name += "_seconds"
				}
				if m[1] == "Counter" {
					name += "_total"
				}
				names[name] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
