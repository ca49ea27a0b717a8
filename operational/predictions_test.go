package operational

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/shared/contract"
)

// TestPredictions follows a set of predictions from imported orders to a file, which only those get who may and who say
// what for.
func TestPredictions(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.direct("od-1", askOrders, revenue)
	s.answered(d.ID, contract.Executing, d.Revision)
	s.importSales("shop")
	s.measured(d.ID, "revenue_month", "1997-02")

	var sum prediction.Summary
	s.do("GET", api+"/predictions/rfm?asOf=1997-02-28", "", nil, 200, &sum)
	if sum.N != 60 || *sum.Mean != 5*1050 || len(sum.Groups) != 11 || sum.Model.Version == "" {
		t.Errorf("the scores' summary is %+v", sum)
	}
	s.do("GET", api+"/predictions/value?asOf=1997-02-28", "", nil, 409, nil) // two months identify no model
	s.do("GET", api+"/predictions/rfm?asOf=1996-02-28", "", nil, 409, nil)
	s.do("GET", api+"/predictions/luck?asOf=1997-02-28", "", nil, 400, nil)

	s.until("all customers are counted", func() bool {
		var n httpapi.SegmentCount
		s.do("POST", api+"/segments/count", "", map[string]any{"condition": map[string]any{"field": "orders", "op": "gte", "value": 5}}, 0, &n)
		return n.Of == 60 && n.Customers != nil && *n.Customers == 60 && len(n.Through) > 0
	})
	s.do("POST", api+"/segments/count", "", map[string]any{"condition": map[string]any{"field": "orders", "op": "like", "value": 5}}, 422, nil)

	var grid, alike prediction.Summary
	s.do("GET", api+"/predictions/cohorts?asOf=1997-02-28", "", nil, 200, &grid)
	if r := grid.Retention; r == nil || r.Until != "1997-02" || len(r.Months) != 2 || r.Months[0].Customers+r.Months[1].Customers != 60 || len(r.Months[0].Active) != 2 {
		t.Errorf("the grid of cohorts is %+v, %+v", grid, r)
	}
	s.do("GET", api+"/predictions/survival?asOf=1997-02-28", "", nil, 200, &grid)
	if grid.Curve == nil || grid.Curve.Customers != 60 {
		t.Errorf("the time to the second purchase is %+v", grid)
	}
	s.do("GET", api+"/predictions/segments?asOf=1997-02-28", "", nil, 409, &alike)      // sixty are too few
	s.do("GET", api+"/predictions/next_purchase?asOf=1997-02-28", "", nil, 409, &alike) // and two months too short
	s.do("GET", api+"/predictions/cohorts/customers?asOf=1997-02-28&format=csv&purpose=retention_analysis", "", nil, 400, nil)

	people := api + "/predictions/rfm/customers?asOf=1997-02-28&format=csv"
	s.do("GET", people, "", nil, 400, nil) // no purpose
	s.do("GET", people+"&purpose=idle_curiosity", "", nil, 403, nil)
	lines := s.file(people+"&purpose=retention_analysis", "rfm-1997-02-28.csv")
	if len(lines) != 61 || lines[0][0] != "customer" || len(lines[1][0]) != 32 || lines[1][3] != "5250" {
		t.Errorf("the file has %d lines, the first are %v", len(lines), lines[:min(2, len(lines))])
	}
}

// TestChurnByWhatIsKnown follows what customers said of themselves from the gateway to who is likely to leave, and why.
func TestChurnByWhatIsKnown(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	of, ours := api+"/predictions/churn_attributes", "?asOf=2099-12-31&label=churned&purpose=retention_analysis"
	s.do("GET", of+"?asOf=2099-12-31&label=churned", "", nil, 400, nil) // for what?
	s.do("GET", of+ours, "", nil, 403, nil)                             // what describes customers is not allowed
	g := contract.GovernanceDirective{Order: s.order("gd-1"), Version: 1, MinimumGroup: 10, Roles: roles(),
		Retention: map[contract.DataType]int{contract.Descriptive: 1095, contract.Identification: 1095},
		Purposes:  []contract.PurposeRule{{Purpose: "retention_analysis", Categories: []contract.DataType{contract.Descriptive, contract.Identification}}}}
	s.send(contract.TypeGovernance, g.ID, &g)
	s.answered("gd-1", contract.Accepted, g.Revision)
	s.until("the label is missed: it is not collected", func() bool { // the rules follow the answer
		var problem struct{ Type string }
		s.do("GET", of+ours, "", nil, 0, &problem)
		return problem.Type == "urn:strata:problem:no_source"
	})
	key := s.offer("crm", "customer_id", "churned", "plan", "full_name")
	d := s.direct("od-1", []contract.Collection{
		ask(contract.ParamCustomerID, contract.Identification, contract.Text, "identify", "", "userId"),
		ask("churned", contract.Descriptive, contract.Boolean, "identify", "", "churned"),
		ask("plan", contract.Descriptive, contract.Text, "identify", "", "plan"), ask("full_name", contract.Descriptive, contract.Text, "identify", "", "full_name"),
	})
	s.answered("od-1", contract.Executing, d.Revision)
	var batch []any
	for i := range 300 {
		plan := []string{"monthly", "yearly"}[i%2]
		batch = append(batch, map[string]any{"type": "identify", "userId": fmt.Sprintf("u%d", i), "messageId": contract.NewID(), "traits": map[string]any{
			"churned": i%5 < 2 && i%2 == 0 || i%15 == 0, "plan": plan, "full_name": fmt.Sprintf("Somebody %d", i),
		}})
	}
	s.do("POST", "/v1/batch", "Bearer "+key, map[string]any{"batch": batch}, 200, nil)
	var sum prediction.Summary
	s.until("all customers known", func() bool {
		s.do("GET", of+ours, "", nil, 0, &sum)
		return sum.N == 300
	})
	if sum.Model.Name != "churn_logistic" || sum.Model.N != 300 || sum.Model.HoldOut.Customers != 300 || len(sum.Groups) != 3 {
		t.Errorf("the summary is %+v", sum)
	}
	lines := s.file(of+"/customers"+ours+"&format=csv", "churn_attributes-2099-12-31.csv")
	if len(lines) != 301 || !strings.Contains(lines[1][5], "plan ") || strings.Contains(lines[1][5], "full_name") {
		t.Errorf("the file has %d lines, the first are %v", len(lines), lines[:min(2, len(lines))])
	}
}

// file gets a CSV file.
func (s *suite) file(path, name string) [][]string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Disposition"), name) {
		s.t.Fatalf("%s: %d %s, %v", path, res.StatusCode, body, res.Header)
	}
	lines, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}
