package operational

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
)

// TestErasure follows a person's two rights over the public interface: what is held of them is told, then it is deleted; the
// months that counted them are measured again, the bitmaps follow, and the same file brings nothing back.
func TestErasure(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.direct("od-1", askOrders, revenue)
	s.answered(d.ID, contract.Executing, d.Revision)
	s.importSales("shop")
	before := s.measured(d.ID, "revenue_month", "1997-01")
	s.counted(60)
	mia, named := s.tokenOf(signin.Manager), map[string]any{"kind": "user", "identifier": "u7"}

	var held httpapi.Disclosure
	s.do("POST", api+"/persons/disclosure", "", named, 200, &held)
	if held.Identities != 1 || len(held.Held["lake_events"]) != 5 || len(held.Held["profiles"]) != 1 || len(held.Held["facts"]) != 5 || !strings.Contains(fmt.Sprint(held.Held), "u7") {
		t.Errorf("what is held is %+v", held)
	}
	s.do("POST", api+"/persons/disclosure", "Bearer "+mia, named, 403, nil)
	s.do("POST", api+"/erasures", "Bearer "+mia, named, 403, nil)
	s.do("POST", api+"/erasures", "", map[string]any{"kind": "name", "identifier": "u7"}, 422, nil)

	var receipt, again, proof httpapi.Erasure
	s.do("POST", api+"/erasures", "", named, 202, &receipt)
	s.do("POST", api+"/erasures", "", named, 202, &again)
	s.unguessable("/erasures", `{"kind":"user","identifier":"u7"}`)
	if receipt.Id == "" || receipt.Id != again.Id || receipt.RequestedBy != "tester" {
		t.Errorf("the receipts are %+v and %+v", receipt, again)
	}
	s.until("the person is erased", func() bool {
		s.do("GET", api+"/erasures/"+receipt.Id, "Bearer "+mia, nil, 200, &proof)
		return proof.State == "done"
	})
	if proof.Deleted["lake_events"] != 5 || proof.Deleted["customer_days"] != 5 || proof.Deleted["profiles"] != 1 || proof.FinishedAt == nil || strings.Contains(fmt.Sprint(proof), "u7") {
		t.Errorf("the proof is %+v", proof)
	}
	var list struct{ Items []httpapi.Erasure }
	s.do("GET", api+"/erasures", "", nil, 200, &list)
	if len(list.Items) != 1 || list.Items[0].Id != receipt.Id {
		t.Errorf("the erasures are %+v", list)
	}
	s.do("GET", api+"/erasures/none", "", nil, 404, nil)

	lost := 0.
	for _, row := range sales() { // u7's orders of January
		item := row["item"].(map[string]any)
		if at, _ := time.Parse(time.RFC3339, item["timestamp"].(string)); item["userId"] == "u7" && at.Month() == time.January {
			lost += 1050
		}
	}
	s.until("January is measured again without them", func() bool {
		m := s.latest(d.ID, "revenue_month", "1997-01")
		return m.Revision > before.Revision && m.Value != nil && *m.Value == *before.Value-lost && lost > 0
	})
	s.counted(59)
	held = httpapi.Disclosure{}
	s.do("POST", api+"/persons/disclosure", "", named, 200, &held)
	if strings.Contains(fmt.Sprint(held.Held), "u7") {
		t.Errorf("still held is %+v", held)
	}

	var run httpapi.Import
	s.do("POST", api+"/imports", "", map[string]any{"source": "shop", "fileName": "again.csv", "digest": fmt.Sprintf("%064x", 2), "rows": 300}, 200, &run)
	s.do("POST", api+"/imports/"+run.Run+"/rows", "", sales()[:60], 200, nil)
	s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	if st := s.caughtUp(run.Run); st.Suppressed != 1 || st.Duplicate != 59 {
		t.Errorf("the second file's statement is %+v", st)
	}
	if c := s.conserved(); c.Unaccounted != 0 {
		t.Errorf("the account is %+v", c)
	}
}

// unguessable sends a request once more under an Idempotency-Key, and looks that what is kept of it does not tell whoever tries
// bodies which one it was.
func (s *suite) unguessable(path, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.server.URL+api+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"application/json"}, "Idempotency-Key": {"once"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	var kept struct{ Hash []byte }
	if err := s.db.Collection("strata_idempotency").FindOne(s.t.Context(), bson.D{}).Decode(&kept); err != nil || res.StatusCode != http.StatusAccepted {
		s.t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	if plain := sha256.Sum256([]byte(api + path + "\x00application/json\x00" + body)); len(kept.Hash) == 0 || bytes.Equal(kept.Hash, plain[:]) {
		s.t.Errorf("what is kept of the request is %x: a hash that anybody can make", kept.Hash)
	}
}

// tokenOf is a token of somebody with a role.
func (s *suite) tokenOf(r signin.Role) string {
	s.t.Helper()
	token, err := s.issuer.Token("somebody", []signin.Role{r}, time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// counted waits until the bitmaps count so many customers.
func (s *suite) counted(want int64) {
	s.t.Helper()
	s.until(fmt.Sprint(want, " customers are counted"), func() bool {
		var n httpapi.SegmentCount
		s.do("POST", api+"/segments/count", "", map[string]any{"condition": map[string]any{"field": "orders", "op": "gte", "value": 5}}, 0, &n)
		_, links := n.Through["-1"]
		return n.Of == want && n.Customers != nil && *n.Customers == want && !links
	})
}

// latest is the latest closed measurement of a metric and month, if there is one.
func (s *suite) latest(id contract.DirectiveID, m contract.MetricID, month string) (latest contract.Measurement) {
	s.t.Helper()
	s.read(contract.TopicMeasurements, func(msg bus.Message) {
		_, got, err := contract.Decode[contract.Measurement](msg)
		if err != nil {
			s.t.Fatal(err)
		}
		if got.Directive == id && got.Metric == m && got.Window.Start.Format("2006-01") == month && got.Closed && got.Revision > latest.Revision {
			latest = got
		}
	})
	return latest
}
