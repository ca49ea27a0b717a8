package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
)

// No directive, no collection: with two directives all of an order is kept; with one left, only what it asks for, and
// the rest is dropped, counted by name and stored nowhere, and what is left is measured; with none, orders are answered
// not_requested.
func TestWithdrawingStopsCollection(t *testing.T) {
	r := up(t, t.TempDir(), "--expose")
	r.govern(t)
	key := r.register(t)
	_, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	_, worth := r.order(t, valueGoal("1997-09-30", "1998-03-31"), contract.Executing)
	r.collects(t, key, "accepted")
	if whole := r.stored(t, key, "before"); whole["order_time"] == nil || whole["order_amount"] == nil {
		t.Errorf("with both directives %v is stored of an order", whole)
	}
	before := dropped(t, r, "total")

	r.withdraw(t, worth.ID)
	eventually(t, answerWithin, "amounts are dropped", func() error {
		if s := send(t, r.url, key); s != "accepted" {
			return fmt.Errorf("orders are answered %s", s)
		}
		if dropped(t, r, "total") == before {
			return errNotYet
		}
		return nil
	})
	if left := r.stored(t, key, "after"); left["order_time"] == nil || left["order_amount"] != nil || left["order_items"] != nil {
		t.Errorf("with one directive left %v is stored of an order", left)
	}
	r.stillMeasured(t, key, kept.ID)
	r.withdraw(t, kept.ID)
	r.collects(t, key, "not_requested")
	if s := send(t, r.url, key); s != "not_requested" {
		t.Errorf("after the last directive was withdrawn an order is answered %s", s)
	}
	r.stop(t)
}

// stored sends an order of a customer of its own and returns what the lake and the warehouse hold of it: parameters by
// name, and the amount of the fact, if it has one, as order_amount, too.
func (r *running) stored(t *testing.T, key, customer string) map[string]any {
	t.Helper()
	item := order(customer, time.Now())
	if s := post(t, r.url, key, []map[string]any{item}); s != "accepted" {
		t.Fatalf("an order is answered %s", s)
	}
	db := store(t, r.dir).Database("strata_operational")
	var event struct{ Parameters map[string]any }
	var fact map[string]any
	eventually(t, answerWithin, "the order in the lake and in the warehouse", func() error {
		which := bson.D{{Key: "event", Value: item["messageId"]}}
		if err := db.Collection("lake_events").FindOne(t.Context(), which).Decode(&event); err != nil {
			return err
		}
		return db.Collection("facts").FindOne(t.Context(), which).Decode(&fact)
	})
	if amount := fact["amountMinor"]; amount != nil {
		event.Parameters["order_amount"] = amount
	}
	return event.Parameters
}

// stillMeasured sends orders of last month, declares it complete, and waits for the month's measurement under the directive.
func (r *running) stillMeasured(t *testing.T, key string, d contract.DirectiveID) {
	t.Helper()
	const customers = 12
	now := time.Now().UTC()
	end := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	var orders []map[string]any
	for i := range customers {
		orders = append(orders, order(fmt.Sprint("late-", i), end.AddDate(0, 0, -1)))
	}
	if s := post(t, r.url, key, orders); s != "accepted" {
		t.Fatalf("orders of last month are answered %s", s)
	}
	if _, err := r.steward.Complete(t.Context(), sourceID, end.Format(time.DateOnly)); err != nil {
		t.Fatal(err)
	}
	eventually(t, measureWithin, "a measurement under the directive that is left", func() error {
		all, err := r.manager.Measurements(t.Context(), d)
		for _, m := range all {
			if m.Metric == "active_customers_month" && m.Closed && m.Window.End.Equal(end) {
				if m.Value == nil || *m.Value != customers {
					return fmt.Errorf("%v customers were active, want %d", m.Value, customers)
				}
				return nil
			}
		}
		return cmp.Or(err, errNotYet)
	})
}

// order is one order of a customer.
func order(customer string, at time.Time) map[string]any {
	return map[string]any{"type": "track", "event": "Order Completed", "userId": customer, "messageId": contract.NewID(),
		"timestamp": at.UTC().Format(time.RFC3339), "properties": map[string]any{"total": 12.5, "currency": "USD", "quantity": 1}}
}

func (r *running) withdraw(t *testing.T, id contract.DirectiveID) {
	t.Helper()
	if _, err := r.executive.Act(t.Context(), id, "withdraw"); err != nil {
		t.Fatal(err)
	}
	r.answered(t, id, contract.Withdrawn)
}

// collects sends orders until one is answered with the status.
func (r *running) collects(t *testing.T, key, status string) {
	t.Helper()
	eventually(t, answerWithin, "orders are answered "+status, func() error {
		if s := send(t, r.url, key); s != status {
			return fmt.Errorf("they are answered %s", s)
		}
		return nil
	})
}

func dropped(t *testing.T, r *running, name string) int64 {
	t.Helper()
	all, err := r.steward.Dropped(t.Context(), sourceID)
	if err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// send sends one order of today and returns how it was answered.
func send(t *testing.T, url, key string) string {
	t.Helper()
	return post(t, url, key, []map[string]any{order("live-1", time.Now())})
}

// post sends a batch and returns the first item's status.
func post(t *testing.T, url, key string, items []map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"batch": items})
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/batch", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(key, "")
	q.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var out struct {
		Results []struct{ Status, Code, Detail string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil || len(out.Results) == 0 {
		return fmt.Sprintf("%s, %v", answer.Status, err)
	}
	return out.Results[0].Status
}

// A goal whose metric needs e-mail addresses is degraded while too few customers have one, with the figures, and heals
// when they come. It degrades while the two upper layers are away: the answer that is given then goes up on their return.
func TestTooFewHaveAnAddress(t *testing.T) {
	library := t.TempDir()
	write(t, library, "metrics.yaml", reachable)
	write(t, filepath.Join(library, "playbooks"), "centricity.yaml", centricity)
	dir := t.TempDir()
	r := up(t, dir, "--library", library)
	r.govern(t)
	key := r.register(t, "email")
	base, target := 50.0, 100.0
	goal := level("Reach more", contract.Centricity, "reachable_customers_month", contract.Count, "", "2030-12-31", 0)
	goal.Baseline, goal.Target = contract.Baseline{Value: &base}, contract.Target{Value: &target}
	_, d := r.order(t, goal, contract.Executing)
	const customers = 60
	r.collects(t, key, "accepted")
	if given := r.given(t, d.ID); !slices.Equal(given, []contract.State{contract.Executing}) {
		t.Fatalf("before the upper layers go the answer is %v, want executing", given)
	}
	r.stop(t)

	r = up(t, dir, "--library", library, "--layers", "operational")
	var orders, people []map[string]any
	for i := range customers {
		id := fmt.Sprintf("c%03d", i)
		orders = append(orders, map[string]any{"type": "track", "event": "Order Completed", "userId": id, "messageId": contract.NewID(),
			"timestamp": time.Now().UTC().Format(time.RFC3339)})
		people = append(people, map[string]any{"type": "identify", "userId": id, "messageId": contract.NewID(),
			"timestamp": time.Now().UTC().Format(time.RFC3339), "traits": map[string]any{"email": id + "@example.org"}})
	}
	if s := post(t, r.url, key, orders); s != "accepted" {
		t.Fatalf("orders are answered %s", s)
	}
	eventually(t, answerWithin, "the answer while the upper layers are away", func() error {
		if given := r.given(t, d.ID); !slices.Equal(given, []contract.State{contract.Degraded}) {
			return fmt.Errorf("it is %v", given)
		}
		return nil
	})
	r.stop(t)

	r = up(t, dir, "--library", library)
	if a := r.answered(t, d.ID, contract.Degraded); !slices.ContainsFunc(a.Reasons, lacksAddresses) {
		t.Errorf("degraded for %+v, want low_coverage of email with the figures", a.Reasons)
	}
	r.shows(t, d.Goal, "that its directive lacks email, with the figures", func(s client.Standing) bool {
		return slices.ContainsFunc(s.Degraded, lacksAddresses) && strings.Contains(s.Why+s.Lacks, "too few customers have email")
	})
	if s := post(t, r.url, key, people); s != "accepted" {
		t.Fatalf("identify calls are answered %s", s)
	}
	r.answered(t, d.ID, contract.Executing)
	r.shows(t, d.Goal, "that its directive lacks nothing", func(s client.Standing) bool { return len(s.Degraded) == 0 && s.Lacks == "" })
	r.stop(t)
}

// given returns the operational layer's own answers to the operational directives for a strategic one.
func (r *running) given(t *testing.T, d contract.DirectiveID) (states []contract.State) {
	t.Helper()
	var page struct {
		Items []struct {
			Order  *contract.OperationalDirective
			Answer contract.Acknowledgement
		}
	}
	if err := r.manager.Get(t.Context(), "/api/operational/v1/directives?limit=200", &page); err != nil {
		t.Fatal(err)
	}
	for _, rec := range page.Items {
		if rec.Order != nil && rec.Order.Strategic == d {
			states = append(states, rec.Answer.State)
		}
	}
	return states
}

func lacksAddresses(why contract.Reason) bool {
	return why.Code == "low_coverage" && why.Item == "email" && why.Have != nil && why.Need != nil && *why.Have < *why.Need
}

// shownWithin bounds how long after an answer its goal's card may say otherwise.
const shownWithin = 10 * time.Second

// shows waits until a goal's card says it.
func (r *running) shows(t *testing.T, g contract.GoalID, what string, says func(client.Standing) bool) {
	t.Helper()
	eventually(t, shownWithin, "the goal's card says "+what, func() error {
		c, err := r.executive.Card(t.Context(), g)
		if err == nil && !says(c.Standing) {
			return fmt.Errorf("it is %s, lacks %v: %s %s", c.Standing.Status, c.Standing.Degraded, c.Standing.Why, c.Standing.Lacks)
		}
		return err
	})
}

const reachable = `- id: reachable_customers_month
  version: 1.0.0
  label: Reachable customers
  description: Customers with at least one order in the month, who should have an address.
  type: simple
  unit: count
  better: up
  measures:
    - {name: customers, agg: count_distinct, entity: customer_day, field: customer}
  parameters: [customer_id, order_time, email]
  owner: head of marketing
  steward: customer data steward
`

const centricity = `id: centricity
version: 1
variable: centricity
name: Reach customers
purpose: service_improvement
coverage: 0.8
tolerance: 0.1
units:
  - {name: marketing, owner: marketing manager}
metrics:
  - {metric: reachable_customers_month, unit: marketing, spread: 3}
wishes: []
`
