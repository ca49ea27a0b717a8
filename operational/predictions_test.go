package operational

import (
	"encoding/csv"
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

	people := api + "/predictions/rfm/customers?asOf=1997-02-28&format=csv"
	s.do("GET", people, "", nil, 400, nil) // no purpose
	s.do("GET", people+"&purpose=idle_curiosity", "", nil, 403, nil)
	lines := s.file(people + "&purpose=retention_analysis")
	if len(lines) != 61 || lines[0][0] != "customer" || len(lines[1][0]) != 32 || lines[1][3] != "5250" {
		t.Errorf("the file has %d lines, the first are %v", len(lines), lines[:min(2, len(lines))])
	}
}

// file gets a CSV file.
func (s *suite) file(path string) [][]string {
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
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Disposition"), "rfm-1997-02-28.csv") {
		s.t.Fatalf("%s: %d %s, %v", path, res.StatusCode, body, res.Header)
	}
	lines, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}
