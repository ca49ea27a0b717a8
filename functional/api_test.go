package functional

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/metric"
	"github.com/strata-crm/strata/functional/internal/parameter"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
)

// items is a list as the API gives it.
type items[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

func TestPolicyDecidesWhoMayCall(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	days := bigDays("big_days")
	match := map[string]string{"If-Match": `"1"`}
	edit := map[string]any{"parts": []any{}, "constraints": map[string]any{}}
	for _, c := range []struct {
		method, path string
		body         any
		header       map[string]string
		allowed      []signin.Role
		status       int // when allowed
	}{
		{"GET", "/playbooks", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/parameters", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/metrics", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/metrics/repeat_rate", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/directives", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/directives/none", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"GET", "/plans/none", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"GET", "/measurements?directive=none", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/goals/none/information", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"GET", "/metrics/repeat_rate/versions", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/metrics/repeat_rate/versions/1.0.0", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/metrics/repeat_rate/trial", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"POST", "/metrics/repeat_rate/trial", map[string]string{"version": "9.0.0"}, nil, []signin.Role{signin.Manager, signin.Steward}, 404},
		{"GET", "/metrics/repeat_rate/lineage", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/parameters/order_time/lineage", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/goals/none/lineage", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"GET", "/goals/none/cost", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"GET", "/plans/none/outlook", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"GET", "/proposals/withdrawals", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"GET", "/forecasts?goal=none", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"GET", "/exports/series?goal=none&format=csv", nil, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 404},
		{"POST", "/query", query.Request{Tiles: []query.Tile{{Kind: query.Latest, Goal: "none"}}}, nil, []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine}, 200},
		{"POST", "/metrics/none/versions/1.0.0/review", nil, match, []signin.Role{signin.Manager, signin.Steward}, 404},
		{"POST", "/metrics/none/versions/1.0.0/discard", nil, match, []signin.Role{signin.Manager, signin.Steward}, 404},
		{"POST", "/metrics/none/versions/1.0.0/certification", nil, match, []signin.Role{signin.Manager}, 404},
		{"POST", "/metrics/none/versions/1.0.0/retirement", nil, match, []signin.Role{signin.Manager}, 404},
		{"PUT", "/plans/none", edit, match, []signin.Role{signin.Manager}, 404},
		{"POST", "/plans/none/revision", nil, match, []signin.Role{signin.Manager}, 404},
		{"POST", "/plans/none/approval", nil, match, []signin.Role{signin.Manager}, 404},
		{"POST", "/metrics", days, map[string]string{"Idempotency-Key": "one"}, []signin.Role{signin.Manager, signin.Steward}, 201},
	} {
		var p httpx.Problem
		if r.do(c.method, c.path, nil, c.body, c.header, 401, &p); p.Type != "urn:strata:problem:not_signed_in" {
			t.Errorf("%s %s by nobody: %s", c.method, c.path, p.Type)
		}
		for _, role := range []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Collector, signin.Machine} {
			body, header := c.body, c.header
			if d, ok := body.(contract.Definition); ok { // each defines its own
				d.ID += contract.MetricID("_" + role)
				body, header = d, nil
			}
			if slices.Contains(c.allowed, role) {
				r.do(c.method, c.path, []signin.Role{role}, body, header, c.status, nil)
			} else if r.do(c.method, c.path, []signin.Role{role}, body, header, 403, &p); p.Type != "urn:strata:problem:policy_denied" || p.Detail == "" {
				t.Errorf("%s %s by %s: %+v", c.method, c.path, role, p)
			}
		}
	}
}

func TestTheLibraryIsReadWhole(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	var books items[playbook.Playbook]
	r.do("GET", "/playbooks", manager, nil, nil, 200, &books)
	var parameters items[contract.Parameter]
	r.do("GET", "/parameters", manager, nil, nil, 200, &parameters)
	var metrics items[contract.Definition]
	r.do("GET", "/metrics", manager, nil, nil, 200, &metrics)
	catalogue, err := parameter.Shipped()
	must(t, err)
	defs, err := metric.Shipped()
	must(t, err)
	if len(books.Items) != 3 || !contract.Same(parameters.Items, catalogue.All()) || len(metrics.Items) != len(defs) {
		t.Errorf("%d playbooks, %d parameters, %d metrics", len(books.Items), len(parameters.Items), len(metrics.Items))
	}
}

func bigDays(id contract.MetricID) contract.Definition {
	return contract.Definition{
		ID: id, Version: "1.0.0", Label: "Big days", Description: "Days on which customers spent more than a hundred.", Type: contract.Simple,
		Unit: contract.Count, Better: contract.Up, Owner: "marketing manager", Steward: "order data steward",
		Measures: []contract.Measure{{
			Name: "days", Agg: contract.CountRows, Entity: contract.CustomerDay, Filter: &contract.Condition{Field: "revenue", Op: contract.Gt, Value: 10000.0},
		}},
		Parameters: []contract.ParameterName{"customer_id", "order_time", "order_amount"},
	}
}

func TestAnInvalidDefinitionNamesEveryWrongPlace(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	d := bigDays("big_days")
	d.Unit, d.Owner, d.Measures[0].Filter.Field, d.Parameters = "furlong", "", "$where", []contract.ParameterName{"hat_size"}
	var p httpx.Problem
	h := r.do("POST", "/metrics", manager, d, nil, 422, &p)
	if p.Type != "urn:strata:problem:bad_definition" || h.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s, %s", p.Type, h.Get("Content-Type"))
	}
	var pointers []string
	for _, e := range p.Errors {
		pointers = append(pointers, e.Pointer)
		if e.Detail == "" {
			t.Errorf("%s is wrong for no reason", e.Pointer)
		}
	}
	slices.Sort(pointers)
	if diff := cmp.Diff([]string{"/measures/0/filter/field", "/owner", "/parameters/0", "/unit"}, pointers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.do("GET", "/metrics/big_days", manager, nil, nil, 404, nil)
}

// as returns the token's holder of a name: people differ where one may not do another's part.
func (r *rig) as(name string, role signin.Role) map[string]string {
	r.t.Helper()
	token, err := r.issuer.Token(name, []signin.Role{role}, time.Hour)
	must(r.t, err)
	return map[string]string{"Authorization": "Bearer " + token}
}

// moved leads a version through an event as somebody.
func (r *rig) moved(d contract.Definition, event, name string, role signin.Role, status int, out any) {
	r.t.Helper()
	path := fmt.Sprintf("/metrics/%s/versions/%s", d.ID, d.Version)
	header := r.as(name, role)
	header["If-Match"] = r.do("GET", path, manager, nil, nil, 200, nil).Get("ETag")
	r.do("POST", path+"/"+event, nil, map[string]string{"reason": "because"}, header, status, out)
}

func TestADefinitionIsDraftedReviewedAndCertified(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	d := bigDays("big_days")
	key := r.as("mia", signin.Manager)
	key["Idempotency-Key"] = "k1"
	r.do("POST", "/metrics", nil, d, key, 201, nil)
	r.do("POST", "/metrics", nil, d, key, 201, nil) // the same call again
	var p httpx.Problem
	if r.do("POST", "/metrics", manager, d, nil, 409, &p); !strings.Contains(p.Detail, "edit that one") {
		t.Errorf("%+v", p)
	}
	r.do("GET", "/metrics/big_days", manager, nil, nil, 404, nil) // a draft is not in use
	if r.moved(d, "review", "mia", signin.Manager, 403, &p); p.Type != "urn:strata:problem:second_person_required" {
		t.Errorf("who wrote it reviewed it: %+v", p)
	}
	if r.moved(d, "certification", "sam", signin.Manager, 409, &p); p.Type != "urn:strata:problem:illegal_transition" {
		t.Errorf("certified unreviewed: %+v", p)
	}
	r.moved(d, "review", "sam", signin.Steward, 200, nil)
	var v definition.Version
	if r.moved(d, "certification", "max", signin.Manager, 200, &v); v.State != definition.Certified || !v.InUse || len(v.History) != 3 || v.History[2].By != "max" || v.History[2].Reason != "because" {
		t.Errorf("certified: %+v", v)
	}
	var got contract.Definition
	if r.do("GET", "/metrics/big_days", manager, nil, nil, 200, &got); !contract.Same(got, d) {
		t.Errorf("in use: %+v", got)
	}
	d.Version = "1.1.0"
	d.Measures[0].Filter.Value = 20000.0
	if r.do("POST", "/metrics", manager, d, nil, 422, &p); len(p.Errors) != 1 || p.Errors[0].Pointer != "/version" || !strings.Contains(p.Errors[0].Detail, "2.0.0") {
		t.Errorf("a change of history as a minor one: %+v", p)
	}
	d.Version = "2.0.0"
	r.do("POST", "/metrics", nil, d, r.as("mia", signin.Manager), 201, nil)
	path := "/metrics/big_days/versions/2.0.0"
	etag := r.do("GET", path, manager, nil, nil, 200, nil).Get("ETag")
	d.Label = "Large days"
	r.do("PUT", path, manager, d, nil, 428, nil)
	r.do("PUT", path, manager, d, map[string]string{"If-Match": `"1"`}, 412, nil)
	r.do("PUT", path, manager, bigDays("big_days"), map[string]string{"If-Match": etag}, 422, nil)
	r.do("PUT", path, manager, d, map[string]string{"If-Match": etag}, 200, &v)
	if v.Definition.Label != "Large days" || len(v.Authors) != 2 {
		t.Errorf("edited: %+v", v)
	}
	r.moved(d, "review", "sam", signin.Steward, 200, nil)
	r.moved(d, "certification", "sam", signin.Manager, 200, nil)
	r.stop()
	again := startOn(t, r.bus, r.db, nil) // and after a restart, as on another replica
	again.eventually(func() bool {
		var all items[contract.Definition]
		again.do("GET", "/metrics", manager, nil, nil, 200, &all)
		return slices.ContainsFunc(all.Items, func(d contract.Definition) bool { return d.ID == "big_days" && d.Version == "2.0.0" })
	})
	var vs items[definition.Version]
	if again.do("GET", "/metrics/big_days/versions", manager, nil, nil, 200, &vs); len(vs.Items) != 2 || !vs.Items[0].InUse || vs.Items[1].InUse {
		t.Errorf("%+v", vs.Items)
	}
}

func TestDirectivesComeInPages(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), func(c *Config) { c.Approval = "manager" })
	var want []string
	for i := range 5 {
		d := value(contract.DirectiveID(fmt.Sprintf("sd-%d", i)), 1)
		want = append(want, string(d.ID))
		r.direct(d)
		r.acked(d.ID, contract.Received)
	}
	var got []string
	cursor, pages := "", 0
	for pages = 1; ; pages++ {
		var page items[directive.Record]
		r.do("GET", "/directives?limit=2"+cursor, manager, nil, nil, 200, &page)
		for _, rec := range page.Items {
			got = append(got, string(rec.ID()))
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	for _, bad := range []string{"?limit=0", "?limit=501", "?limit=two", "?cursor=%20", "?cursor=bm90IGpzb24"} {
		r.do("GET", "/directives"+bad, manager, nil, nil, http.StatusBadRequest, nil)
	}
}

func TestIfMatchIsOneETag(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), func(c *Config) { c.Approval = "manager" })
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	path := "/plans/" + string(r.acked("sd-1", contract.Received).Plan.ID) + "/approval"
	for _, bad := range []string{"*", "17", `W/"17"`, `"17", "18"`} {
		r.do("POST", path, manager, nil, map[string]string{"If-Match": bad}, 400, nil)
	}
	var p httpx.Problem
	if r.do("POST", path, manager, nil, nil, 428, &p); p.Type != "urn:strata:problem:precondition_required" {
		t.Errorf("%+v", p)
	}
	if r.do("POST", path, manager, nil, map[string]string{"If-Match": `"17"`}, 412, &p); p.Type != "urn:strata:problem:precondition_failed" {
		t.Errorf("%+v", p)
	}
}

func TestApprovalWithoutRulesIsDenied(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), func(c *Config) { c.Approval = "manager" })
	r.direct(value("sd-1", 1))
	a := r.acked("sd-1", contract.Received)
	var p httpx.Problem
	header := map[string]string{"If-Match": httpx.ETag(a.Plan.Revision)}
	if r.do("POST", "/plans/"+string(a.Plan.ID)+"/approval", manager, nil, header, 403, &p); p.Type != "urn:strata:problem:policy_denied" {
		t.Errorf("%+v", p)
	}
	var rec directive.Record
	r.do("GET", "/directives/sd-1", manager, nil, nil, 200, &rec)
	if rec.Answer.State != contract.Received || rec.Plan.State != plan.Drafted {
		t.Errorf("the plan is %s and the directive %s, want that both wait for the rules", rec.Plan.State, rec.Answer.State)
	}
}
