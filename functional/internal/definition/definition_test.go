package definition

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func bigDays(version string) contract.Definition {
	return contract.Definition{
		ID: "big_days", Version: version, Label: "Big days", Description: "Days on which much was spent.", Type: contract.Simple, Unit: contract.Count,
		Better: contract.Up, Owner: "marketing manager", Steward: "order data steward", Dimension: "newcomers",
		Measures: []contract.Measure{{
			Name: "days", Agg: contract.CountRows, Entity: contract.CustomerDay, Filter: &contract.Condition{Field: "revenue", Op: contract.Gt, Value: 10000.0},
		}},
		Parameters: []contract.ParameterName{"customer_id", "order_time"},
	}
}

// TestEveryTransition tries every event by every actor in every state.
func TestEveryTransition(t *testing.T) {
	t.Parallel()
	states := []State{Draft, Reviewed, Certified, Retired, Discarded}
	for _, from := range states {
		for _, e := range []Event{Edit, Review, Certify, Retire, Discard, Restore} {
			for _, by := range []Actor{Author, Other, Recovery} {
				want, allowed := from, false
				for _, row := range Transitions {
					if row.From == from && row.Event == e && slices.Contains(row.By, by) {
						want, allowed = row.To, true
					}
				}
				v := Version{State: from}
				err := v.move(e, by, Change{At: time.UnixMilli(7), By: "sam"})
				switch {
				case allowed && (err != nil || v.State != want || len(v.History) != 1 || v.History[0].From != from || v.Revision != 7):
					t.Errorf("%s %s by %s: %+v, %v", from, e, by, v, err)
				case !allowed && (err == nil || v.State != from || len(v.History) > 0):
					t.Errorf("%s %s by %s went through to %s", from, e, by, v.State)
				}
			}
		}
	}
	if _, err := Next(Draft, Review, Author); fault.CodeOf(err) != fault.SecondPersonRequired || !fault.Is(err, fault.Denied) {
		t.Errorf("an author's review: %v", err)
	}
	if _, err := Next(Retired, Edit, Other); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("%v", err)
	}
}

func TestWhatAChangeNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*contract.Definition)
		want   Bump
	}{
		{"nothing", func(*contract.Definition) {}, NoBump},
		{"label", func(d *contract.Definition) { d.Label = "x" }, Patch},
		{"description", func(d *contract.Definition) { d.Description = "x" }, Patch},
		{"owner", func(d *contract.Definition) { d.Owner = "x" }, Patch},
		{"steward", func(d *contract.Definition) { d.Steward = "x" }, Patch},
		{"a parameter more", func(d *contract.Definition) { d.Parameters = append(slices.Clone(d.Parameters), "order_items") }, Minor},
		{"better", func(d *contract.Definition) { d.Better = contract.Down }, Minor},
		{"a parameter less", func(d *contract.Definition) { d.Parameters = d.Parameters[:1] }, Major},
		{"another dimension", func(d *contract.Definition) { d.Dimension = "cohort" }, Major},
		{"no dimension", func(d *contract.Definition) { d.Dimension = "" }, Major},
		{"type", func(d *contract.Definition) { d.Type = contract.Cumulative }, Major},
		{"unit", func(d *contract.Definition) { d.Unit = contract.Money }, Major},
		{"aggregation", func(d *contract.Definition) {
			d.Measures = slices.Clone(d.Measures)
			d.Measures[0].Agg = contract.Sum
		}, Major},
		{"threshold", func(d *contract.Definition) {
			d.Measures = slices.Clone(d.Measures)
			d.Measures[0].Filter = &contract.Condition{Field: "revenue", Op: contract.Gt, Value: 5000.0}
		}, Major},
		{"filter", func(d *contract.Definition) {
			d.Filter = &contract.Condition{Field: "country", Op: contract.Eq, Value: "AT"}
		}, Major},
		{"retention", func(d *contract.Definition) { d.Retention = &contract.RetentionSpec{Base: "cohort"} }, Major},
		{"conversion", func(d *contract.Definition) { d.Conversion = &contract.ConversionSpec{Days: 7} }, Major},
		{"cumulative", func(d *contract.Definition) { d.Cumulative = &contract.CumulativeSpec{Days: 7} }, Major},
		{"model", func(d *contract.Definition) { d.Model = &contract.ModelSpec{Name: "mbg_nbd"} }, Major},
		{"expression", func(d *contract.Definition) { d.Expression = "days * 2" }, Major},
		{"words and history", func(d *contract.Definition) { d.Label, d.Unit = "x", contract.Money }, Major},
	} {
		to := bigDays("1.0.0")
		c.change(&to)
		if got := Needed(bigDays("1.0.0"), to); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	bare, dim := bigDays("1.0.0"), bigDays("1.0.0")
	bare.Dimension = ""
	if got := Needed(bare, dim); got != Minor {
		t.Errorf("a dimension where there was none: %s, want minor", got)
	}
}

func TestAWrongNumberIsToldTheRightOne(t *testing.T) {
	t.Parallel()
	base := bigDays("1.2.3")
	for version, c := range map[string]struct {
		change func(*contract.Definition)
		say    string // empty: it is right
	}{
		"1.2.4":  {func(d *contract.Definition) { d.Label = "x" }, ""},
		"1.3.0":  {func(d *contract.Definition) { d.Better = contract.Down }, ""},
		"2.0.0":  {func(d *contract.Definition) { d.Unit = contract.Money }, ""},
		"1.2.5":  {func(d *contract.Definition) { d.Label = "x" }, "1.2.4"},
		"1.3.1":  {func(d *contract.Definition) { d.Unit = contract.Money }, "2.0.0"},
		"3.0.0":  {func(d *contract.Definition) { d.Label = "x" }, "1.2.4"},
		"1.2.3":  {func(*contract.Definition) {}, "nothing has changed"},
		"1.02.4": {func(d *contract.Definition) { d.Label = "x" }, "major.minor.patch"},
		"two":    {func(*contract.Definition) {}, "major.minor.patch"},
	} {
		d := base
		d.Version = version
		c.change(&d)
		err := Numbered(&base, d)
		if c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%s: %v; want %q", version, err, c.say)
		}
	}
	if err := Numbered(nil, bigDays("2.0.0")); err == nil || !strings.Contains(err.Error(), "1.0.0") {
		t.Errorf("a first version of 2.0.0: %v", err)
	}
}

// memory is a store of one process.
type memory struct {
	families map[contract.MetricID]Family
}

func (m *memory) Families(context.Context) ([]Family, error) {
	var fs []Family
	for _, f := range m.families {
		fs = append(fs, f)
	}
	return fs, nil
}

func (m *memory) Family(_ context.Context, id contract.MetricID) (Family, error) {
	f := m.families[id]
	f.Metric, f.Versions = id, slices.Clone(f.Versions)
	return f, nil
}

func (m *memory) ChangeFamily(ctx context.Context, id contract.MetricID, change func(*Family) error) error {
	f, _ := m.Family(ctx, id)
	if err := change(&f); err != nil {
		return err
	}
	f.Revision++
	m.families[id] = f
	return nil
}

// shelf is a library of one shipped metric, which a playbook needs if need says so.
type shelf struct {
	shipped *contract.Definition
	need    bool
	use     map[contract.MetricID]*contract.Definition
}

func (s *shelf) Check(d *contract.Definition) error {
	if d.Label == "" {
		return errors.New("no label")
	}
	return nil
}

func (s *shelf) Shipped(m contract.MetricID) *contract.Definition {
	if s.shipped != nil && s.shipped.ID == m {
		return s.shipped
	}
	return nil
}
func (s *shelf) Needs(contract.MetricID) bool { return s.need }
func (s *shelf) Use(fs ...Family) {
	for i := range fs {
		s.use[fs[i].Metric] = fs[i].InUse(s.Shipped(fs[i].Metric))
	}
}

func service(t *testing.T, l *shelf) *Service {
	t.Helper()
	if l.use == nil {
		l.use = map[contract.MetricID]*contract.Definition{}
	}
	now := int64(1000)
	s, err := NewService(Options{
		Store: &memory{map[contract.MetricID]Family{}}, Library: l, Trace: func(context.Context) string { return "" },
		Now: func() time.Time { now++; return time.UnixMilli(now) },
	})
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// moved causes an event on the version as it is now.
func moved(t *testing.T, s *Service, version string, e Event, by string) (Version, error) {
	t.Helper()
	v, err := s.Version(t.Context(), "big_days", version)
	must(t, err)
	return s.Move(t.Context(), "big_days", version, v.Revision, e, by, "why not")
}

func TestAVersionFromDraftToRetirement(t *testing.T) {
	t.Parallel()
	l := &shelf{}
	s := service(t, l)
	v, err := s.Draft(t.Context(), bigDays("1.0.0"), "mia")
	must(t, err)
	if v.State != Draft || v.InUse || l.use["big_days"] != nil {
		t.Errorf("a draft is in use: %+v", v)
	}
	if _, err := moved(t, s, "1.0.0", Review, "mia"); fault.CodeOf(err) != fault.SecondPersonRequired {
		t.Errorf("an author reviewed: %v", err)
	}
	if _, err := moved(t, s, "1.0.0", Certify, "sam"); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("certified without a review: %v", err)
	}
	v, err = moved(t, s, "1.0.0", Review, "sam")
	must(t, err)
	d := bigDays("1.0.0")
	d.Label = "Large days"
	v, err = s.Edit(t.Context(), d, v.Revision, "sam") // a reviewer who edits is an author
	must(t, err)
	if v.State != Draft || len(v.Authors) != 2 {
		t.Errorf("edited to %+v", v)
	}
	if _, err := moved(t, s, "1.0.0", Review, "sam"); fault.CodeOf(err) != fault.SecondPersonRequired {
		t.Errorf("an editor reviewed: %v", err)
	}
	_, err = moved(t, s, "1.0.0", Review, "eva")
	must(t, err)
	v, err = moved(t, s, "1.0.0", Certify, "eva")
	must(t, err)
	if !v.InUse || l.use["big_days"].Label != "Large days" || len(v.History) != 5 {
		t.Errorf("certified: %+v", v)
	}
	if _, err := s.Edit(t.Context(), d, v.Revision, "mia"); err == nil {
		t.Error("a certified version was edited")
	}
	if _, err := s.Move(t.Context(), "big_days", "1.0.0", v.Revision-1, Retire, "eva", ""); fault.CodeOf(err) != fault.PreconditionFailed {
		t.Errorf("a stale retirement: %v", err)
	}
	if _, err = moved(t, s, "1.0.0", Retire, "eva"); err != nil || l.use["big_days"] != nil {
		t.Errorf("retired: %v, in use %v", err, l.use["big_days"])
	}
}

func TestCertifyingLooksAtWhatStandsByThen(t *testing.T) {
	t.Parallel()
	shipped := bigDays("1.0.0")
	l := &shelf{shipped: &shipped}
	s := service(t, l)
	words, unit := bigDays("1.0.1"), bigDays("2.0.0")
	words.Label, unit.Unit = "x", contract.Money
	for _, d := range []contract.Definition{words, unit} {
		_, err := s.Draft(t.Context(), d, "mia")
		must(t, err)
		_, err = moved(t, s, d.Version, Review, "sam")
		must(t, err)
	}
	_, err := moved(t, s, "2.0.0", Certify, "sam")
	must(t, err)
	if _, err := moved(t, s, "1.0.1", Certify, "sam"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "3.0.0") {
		t.Errorf("certified behind what stands: %v", err)
	}
	vs, err := s.Versions(t.Context(), "big_days")
	must(t, err)
	if len(vs) != 3 || vs[0].Definition.Version != "2.0.0" || !vs[0].InUse || vs[2].InUse || !vs[2].Shipped {
		t.Errorf("%+v", vs)
	}
}

func TestAMetricThatAPlaybookNeedsStaysInUse(t *testing.T) {
	t.Parallel()
	shipped := bigDays("1.0.0")
	l := &shelf{shipped: &shipped, need: true}
	s := service(t, l)
	if _, err := moved(t, s, "1.0.0", Retire, "mia"); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v; want Conflict", err)
	}
	l.need = false
	if _, err := moved(t, s, "1.0.0", Retire, "mia"); err != nil || l.use["big_days"] != nil {
		t.Errorf("%v, in use %v", err, l.use["big_days"])
	}
	next := bigDays("1.0.1") // a retired version still says which number comes next
	next.Label = "x"
	_, err := s.Draft(t.Context(), next, "mia")
	must(t, err)
}

func TestADiscardedNumberIsNotLost(t *testing.T) {
	t.Parallel()
	s := service(t, &shelf{})
	_, err := s.Draft(t.Context(), bigDays("1.0.0"), "mia")
	must(t, err)
	v, err := moved(t, s, "1.0.0", Discard, "sam")
	must(t, err)
	if _, err := s.Draft(t.Context(), bigDays("1.0.0"), "eva"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "discarded") {
		t.Errorf("%v", err)
	}
	if v, err = s.Edit(t.Context(), bigDays("1.0.0"), v.Revision, "eva"); err != nil || v.State != Draft {
		t.Errorf("taken up again: %+v, %v", v, err)
	}
}

func TestARestoredDefinitionIsCertifiedOnce(t *testing.T) {
	t.Parallel()
	l := &shelf{}
	s := service(t, l)
	for range 2 {
		must(t, s.Restored(t.Context(), bigDays("2.0.0")))
	}
	must(t, s.Restored(t.Context(), bigDays("1.0.0"))) // an older plan still has it
	vs, err := s.Versions(t.Context(), "big_days")
	must(t, err)
	if len(vs) != 2 || vs[0].State != Certified || !vs[0].InUse || vs[0].History[0].Event != Restore || vs[1].InUse {
		t.Errorf("%+v", vs)
	}
	shipped := bigDays("1.0.0")
	l = &shelf{shipped: &shipped}
	s = service(t, l)
	must(t, s.Restored(t.Context(), shipped))
	if vs, err := s.Versions(t.Context(), "big_days"); err != nil || len(vs) != 1 || !vs[0].Shipped {
		t.Errorf("what ships was restored as somebody's: %+v, %v", vs, err)
	}
}

func TestNewServiceNeedsEverything(t *testing.T) {
	t.Parallel()
	if _, err := NewService(Options{}); err == nil {
		t.Error("a service of nothing")
	}
	if _, err := (&Service{Options{Store: &memory{}, Library: &shelf{}}}).Versions(t.Context(), "none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
}
