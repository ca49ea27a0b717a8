package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/contract"
)

// With the two upper layers stopped during the whole import, facts and measurements are those of an undisturbed run, and
// measurements go up on their return; that answers do, TestTooFewHaveAnAddress shows. Then each upper layer's database is wiped in turn, and it recovers what had been issued:
// a manager's edit of the plan, the same operational directives, the governance in force, claims and what is known.
func TestLayersApartAndWiped(t *testing.T) {
	file := sample(t)
	want := undisturbed(t, file, nil)
	dir := t.TempDir()
	r := up(t, dir)
	r.govern(t)
	r.register(t)
	goal, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	r.leaveOut(t, kept.ID, leftOut)
	maps.DeleteFunc(want.figures, func(what, _ string) bool { return strings.HasPrefix(what, leftOut+" ") })
	r.stop(t)

	r = up(t, dir, "--layers", "operational", "--expose")
	load(t, r.steward, file, "1998-07-01")
	alone := published(t, dir, "1998-07-01")
	if d := cmp.Diff(want.figures, figures(alone)); d != "" {
		t.Errorf("measurements while the upper layers were away (-undisturbed +apart):\n%s", d)
	}
	if d := cmp.Diff(want.warehouse, r.warehouse(t)); d != "" {
		t.Errorf("the warehouse while the upper layers were away (-undisturbed +apart):\n%s", d)
	}
	conserved(t, r.steward)
	r.stop(t)

	r = up(t, dir)
	if d := cmp.Diff(want.figures, figures(r.measured(t, kept.ID, "1998-07-01"))); d != "" {
		t.Errorf("measurements on their return (-undisturbed +got):\n%s", d)
	}
	before, known := r.missed(t, goal.ID), r.remembered(t, goal.ID, kept.ID)
	r.stop(t)
	for _, layer := range []string{"strategic", "functional"} {
		wipe(t, dir, layer)
		r = up(t, dir)
		if after := r.missed(t, goal.ID); after != before {
			t.Errorf("after the %s layer's database was wiped the goal stands at %q, before at %q", layer, after, before)
		}
		r.answered(t, kept.ID, contract.Executing)
		if d := cmp.Diff(want.figures, figures(r.measured(t, kept.ID, "1998-07-01"))); d != "" {
			t.Errorf("measurements after the %s layer was wiped (-undisturbed +got):\n%s", layer, d)
		}
		eventually(t, answerWithin, "all that was known before the "+layer+" layer was wiped", func() error {
			if d := cmp.Diff(known, r.remembers(t, goal.ID, kept.ID)); d != "" {
				return fmt.Errorf("(-before +after):\n%s", d)
			}
			return nil
		})
		r.stop(t)
	}
}

// leftOut is the metric that a manager takes out of the plan.
const leftOut = "purchase_frequency_month"

// leaveOut has a manager take a metric out of the active plan of a directive, and waits until the operational layer has
// answered for what is left.
func (r *running) leaveOut(t *testing.T, d contract.DirectiveID, metric string) {
	t.Helper()
	trail, err := r.executive.Trail(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/functional/v1/plans/" + string(trail.Plan.ID)
	var plan map[string]any
	if err := r.manager.Get(t.Context(), path, &plan); err != nil {
		t.Fatal(err)
	}
	for _, p := range plan["parts"].([]any) {
		part := p.(map[string]any)
		if metrics, ok := part["metrics"].([]any); ok {
			part["metrics"] = slices.DeleteFunc(metrics, func(m any) bool {
				return m.(map[string]any)["definition"].(map[string]any)["id"] == metric
			})
		}
		delete(part, "insights") // those of the metrics that are left stay
	}
	edit := map[string]any{"parts": plan["parts"], "constraints": plan["constraints"]}
	if err := r.manager.Put(t.Context(), path, edit, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, answerWithin, "the answer to the edited plan", func() error {
		trail, err := r.executive.Trail(t.Context(), d)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(trail.Plan.Metrics, func(m contract.MetricUse) bool { return string(m.ID) == metric }) {
			return errNotYet
		}
		for _, work := range r.below(t)[d] {
			if strings.Contains(work, metric) {
				return errors.New(work)
			}
		}
		return nil
	})
}

// remembered waits until claims have been judged, and returns what the suite knows then.
func (r *running) remembered(t *testing.T, g contract.GoalID, d contract.DirectiveID) map[string]string {
	t.Helper()
	var known map[string]string
	eventually(t, measureWithin, "claims that do not change any more", func() error {
		again := r.remembers(t, g, d)
		claims := 0
		for what := range again {
			if strings.HasPrefix(what, "claim ") {
				claims++
			}
		}
		if changed := cmp.Diff(known, again); changed != "" || claims == 0 {
			known = again
			return fmt.Errorf("%d claims, and since the last look:\n%s", claims, changed)
		}
		return nil
	})
	return known
}

// remembers is what the layers know of a goal, of the directive for it, and of governance: plan, operational directives
// by their ids, claims and knowledge.
func (r *running) remembers(t *testing.T, g contract.GoalID, d contract.DirectiveID) map[string]string {
	t.Helper()
	out := map[string]string{}
	versions, err := r.executive.Governance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		out[fmt.Sprint("governance ", v.Number)] = fmt.Sprintf("%s, answered %v, %+v", v.State, v.Answer != nil && v.Answer.State == contract.Accepted, v.Rules)
	}
	trail, err := r.executive.Trail(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	out["directive"] = trail.Directive.State
	if p := trail.Plan; p != nil {
		out["plan"] = fmt.Sprint(p.ID, " of ", p.Playbook, ", ", p.State)
		for _, m := range p.Metrics {
			out["plan's metric "+string(m.ID)] = m.Version + " by " + m.Part
		}
		for _, o := range p.Operational {
			out["operational directive "+string(o.ID)] = fmt.Sprintf("%s, %s", o.Part, o.State)
		}
	}
	for i, work := range r.below(t)[d] {
		out[fmt.Sprint("below ", i)] = work
	}
	claims, err := r.executive.Insights(t.Context(), g, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		out["claim "+string(c.Insight.ID)] = fmt.Sprintf("%s of %s, %s, %.9g ± %.9g of %d", c.State, c.Insight.Metric, c.Insight.State, c.Insight.Value, c.Insight.HalfWidth, c.Insight.N)
	}
	return out
}

// missed waits until the goal is decided and returns how it stands.
func (r *running) missed(t *testing.T, g contract.GoalID) (why string) {
	t.Helper()
	eventually(t, measureWithin, "the decided goal", func() error {
		c, err := r.executive.Card(t.Context(), g)
		if err == nil && c.Standing.Status != "missed" && c.Standing.Status != "achieved" {
			err = fmt.Errorf("it is %s as of %q", c.Standing.Status, c.Standing.Month())
		}
		why = c.Standing.Status + " " + fmt.Sprint(c.Standing.Touched)
		if c.Standing.Baseline != nil {
			why += fmt.Sprintf(" from %.6f", c.Standing.Baseline.Value)
		}
		return err
	})
	return why
}

// published reads the measurements off the topic until every metric has the closed window that ends at the day.
func published(t *testing.T, dir, end string) []contract.Measurement {
	t.Helper()
	b := exposedBus(t, dir)
	var closed []contract.Measurement
	eventually(t, measureWithin, "the published measurements of "+end, func() error {
		newest := map[contract.MeasurementID]contract.Measurement{}
		err := b.ReadAll(t.Context(), contract.TopicMeasurements, func(m bus.Message) error {
			var v contract.Measurement
			if err := json.Unmarshal(m.Value, &v); err != nil {
				return err
			}
			if v.Revision > newest[v.ID].Revision {
				newest[v.ID] = v
			}
			return nil
		})
		if err != nil {
			return err
		}
		closed = closed[:0]
		last := map[contract.MetricID]bool{}
		for _, v := range newest {
			if v.Closed {
				closed = append(closed, v)
			}
			last[v.Metric] = last[v.Metric] || v.Closed && v.Window.End.Format(time.DateOnly) == end
		}
		for m, ok := range last {
			if !ok {
				return fmt.Errorf("%s has not come so far", m)
			}
		}
		if len(last) < 8 { // the retention playbook's metrics, without the one that is left out
			return fmt.Errorf("%d metrics so far", len(last))
		}
		return nil
	})
	return closed
}

func exposedBus(t *testing.T, dir string) *kafkabus.Bus {
	t.Helper()
	e := exposed(t, dir)
	b, err := kafkabus.New(kafkabus.Options{Brokers: []string{e["KAFKA_BROKERS"]}, ClientID: "e2e", Logger: slog.New(slog.DiscardHandler),
		SASL: &kafkabus.SASL{Mechanism: "SCRAM-SHA-256", Username: e["KAFKA_USERNAME"], Password: e["KAFKA_PASSWORD"]}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

// exposed reads how broker and store are reached, by the settings' short names.
func exposed(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, line := range environment(t, filepath.Join(dir, "exposed.env")) {
		name, value, _ := strings.Cut(line, "=")
		all[strings.TrimPrefix(name, "STRATA_OPERATIONAL_")] = value
	}
	return all
}

// wipe drops a layer's database while no layer runs.
func wipe(t *testing.T, dir, layer string) {
	t.Helper()
	r := up(t, dir, "--layers", "none", "--expose")
	c, err := mongo.Connect(options.Client().ApplyURI(exposed(t, dir)["MONGO_URI"]))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Database("strata_" + layer).Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop(t)
}
