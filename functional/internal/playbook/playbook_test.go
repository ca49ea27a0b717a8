package playbook

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func folder(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestShippedPlaybooksLoad(t *testing.T) {
	t.Parallel()
	l, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []contract.Variable{contract.Retention, contract.LifetimeValue, contract.Satisfaction} {
		p, ok := l.For(v)
		if !ok {
			t.Errorf("no playbook for %s", v)
			continue
		}
		if len(p.Insights) < 3 {
			t.Errorf("%s claims %+v", v, p.Insights)
		}
		for _, u := range p.Metrics {
			d, ok := l.Metric(u.Metric)
			if !ok || d.Owner == "" || d.Steward == "" {
				t.Errorf("%s: metric %s is %+v", v, u.Metric, d)
			}
			for _, name := range d.Parameters {
				if q, ok := l.Parameter(name); !ok || q.Method.Call == "" {
					t.Errorf("%s needs %s, which is %+v", u.Metric, name, q)
				}
			}
		}
	}
	if _, ok := l.For(contract.Innovation); ok {
		t.Error("there is a playbook for innovation, which needs sources that are not there yet")
	}
	if len(l.Playbooks()) != 3 || len(l.Metrics()) < 12 || len(l.Parameters()) < 5 {
		t.Errorf("%d playbooks, %d metrics, %d parameters", len(l.Playbooks()), len(l.Metrics()), len(l.Parameters()))
	}
}

const referrals = `
id: advocacy
version: 1
variable: advocacy
name: Be recommended
purpose: service_improvement
coverage: 0.5
tolerance: 0.1
units: [{name: marketing, owner: marketing manager}]
metrics: [{metric: referrals_month, unit: marketing, spread: 2}]
wishes: [{parameter: referrer, unit: marketing, why: Who recommends us.}]
`

const referralMetric = `
- id: referrals_month
  version: 1.0.0
  label: Referrals
  description: Customers who came by referral.
  type: simple
  unit: count
  better: up
  measures: [{name: referred, agg: count, entity: profile, filter: {field: referrer, op: exists, value: true}}]
  parameters: [referrer]
  owner: marketing manager
  steward: customer data steward
`

const referrer = `
- name: referrer
  dataType: descriptive
  valueType: text
  category: contact
  requiredCoverage: 0.5
  owner: head of marketing
  steward: customer data steward
  method: {kind: event_api, call: identify, property: referrer}
`

func own(change func(map[string]string)) fs.FS {
	files := map[string]string{"playbooks/advocacy.yaml": referrals, "metrics.yaml": referralMetric, "parameters.yaml": referrer}
	if change != nil {
		change(files)
	}
	return folder(files)
}

func TestAFolderOfTheUsersAdds(t *testing.T) {
	t.Parallel()
	l, err := Load(own(nil))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := l.For(contract.Advocacy); !ok || p.Name != "Be recommended" {
		t.Errorf("advocacy: %+v", p)
	}
	if _, ok := l.Metric("referrals_month"); !ok || len(l.Playbooks()) != 4 {
		t.Error("the metric or the shipped playbooks are missing")
	}
}

func TestAFolderOfTheUsersReplaces(t *testing.T) {
	t.Parallel()
	l, err := Load(folder(map[string]string{
		"playbooks/mine.yaml": strings.NewReplacer("id: advocacy", "id: retention", "variable: advocacy", "variable: retention",
			"referrals_month", "repeat_rate", "referrer", "email").Replace(referrals),
		"parameters.yaml": strings.NewReplacer("name: referrer", "name: email", "head of marketing", "head of data").Replace(referrer),
		"metrics.yaml": strings.NewReplacer("id: referrals_month", "id: repeat_rate", "version: 1.0.0", "version: 2.0.0",
			"referrer", "email").Replace(referralMetric),
	}))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := l.For(contract.Retention)
	d, _ := l.Metric("repeat_rate")
	q, _ := l.Parameter("email")
	if p.Name != "Be recommended" || d.Version != "2.0.0" || q.Owner != "head of data" {
		t.Errorf("%s; %s; %s", p.Name, d.Version, q.Owner)
	}
	if len(l.Playbooks()) != 3 {
		t.Errorf("%d playbooks", len(l.Playbooks()))
	}
}

// TestEveryInvalidFileNamesThePlace breaks one thing at a time; the error must say in which file or entry, and what.
func TestEveryInvalidFileNamesThePlace(t *testing.T) {
	t.Parallel()
	const book, metrics, parameters = "playbooks/advocacy.yaml", "metrics.yaml", "parameters.yaml"
	for name, c := range map[string]struct {
		file, old, new string
		want           []string
	}{
		"a misspelt key":            {book, "purpose:", "porpoise:", []string{book, "porpoise"}},
		"no YAML":                   {book, "units: [", "units: [[", []string{book, "YAML"}},
		"no purpose":                {book, "purpose: service_improvement", "purpose: ''", []string{"advocacy", "purpose"}},
		"no version":                {book, "version: 1", "version: 0", []string{"advocacy", "version"}},
		"coverage in percent":       {book, "coverage: 0.5", "coverage: 50", []string{"advocacy", "coverage"}},
		"no tolerance":              {book, "tolerance: 0.1", "tolerance: 0", []string{"advocacy", "tolerance"}},
		"no units":                  {book, "units: [{name: marketing, owner: marketing manager}]", "units: []", []string{"advocacy", "unit"}},
		"a unit without owner":      {book, "owner: marketing manager", "owner: ''", []string{"advocacy", "owner"}},
		"a unit twice":              {book, "units: [", "units: [{name: marketing, owner: m}, ", []string{"advocacy", "marketing", "twice"}},
		"a metric nobody defined":   {book, "metric: referrals_month", "metric: applause", []string{"advocacy", "applause"}},
		"a metric of no unit":       {book, "unit: marketing, spread", "unit: sales, spread", []string{"advocacy", "sales"}},
		"no spread":                 {book, "spread: 2", "spread: 0", []string{"advocacy", "referrals_month", "spread"}},
		"a wish nobody defined":     {book, "parameter: referrer", "parameter: shoe_size", []string{"advocacy", "shoe_size"}},
		"a claim of no kind":        {book, "wishes:", "insights: [{kind: opinion}]\nwishes:", []string{"advocacy", "insight 0", "opinion"}},
		"a claim of nobody's":       {book, "wishes:", "insights: [{kind: level, metric: repeat_rate}]\nwishes:", []string{"advocacy", "insight 0", "repeat_rate"}},
		"another one's variable":    {book, "variable: advocacy", "variable: retention", []string{"advocacy", "retention"}},
		"a metric's misspelt key":   {metrics, "label:", "lable:", []string{metrics, "lable"}},
		"a metric of no type":       {metrics, "type: simple", "type: wish", []string{"referrals_month", "/type"}},
		"a metric's unknown datum":  {metrics, "parameters: [referrer]", "parameters: [hat_size]", []string{"referrals_month", "/parameters/0", "hat_size"}},
		"a metric's bad filter":     {metrics, "op: exists", "op: $where", []string{"referrals_month", "/measures/0/filter/op"}},
		"a parameter's bad key":     {parameters, "steward:", "stuart:", []string{parameters, "stuart"}},
		"a parameter found nowhere": {parameters, "property: referrer", "property: ''", []string{parameters, "referrer", "property"}},
	} {
		_, err := Load(own(func(files map[string]string) {
			if !strings.Contains(files[c.file], c.old) {
				t.Errorf("%s: the file has no %q", name, c.old)
			}
			files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
		}))
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; want Invalid", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not name %q", name, err, want)
			}
		}
	}
}

// broken is a folder whose files cannot be read.
type broken struct{ fs.FS }

func (b broken) Open(name string) (fs.File, error) {
	if name == "metrics.yaml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return b.FS.Open(name)
}

func TestAFolderThatCannotBeReadIsNoEmptyOne(t *testing.T) {
	t.Parallel()
	if _, err := Load(broken{own(nil)}); err == nil || !strings.Contains(err.Error(), "metrics.yaml") {
		t.Errorf("%v; want the file named", err)
	}
	missing, err := fs.Sub(folder(nil), "nowhere")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(missing); err == nil || !strings.Contains(err.Error(), "library.folder") {
		t.Errorf("%v; want the setting named", err)
	}
}

func TestAdoptedDefinitionsReplaceTheirLike(t *testing.T) {
	t.Parallel()
	l, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := l.Metric("repeat_rate")
	n := len(l.Metrics())
	d.Version = "1.1.0"
	l.Adopt(d)
	if got, _ := l.Metric("repeat_rate"); got.Version != "1.1.0" || len(l.Metrics()) != n {
		t.Errorf("version %s in use of %d", got.Version, len(l.Metrics()))
	}
	d.Parameters = []contract.ParameterName{"hat_size"}
	if err := l.Check(&d); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}
