package operational

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/shared/contract"
)

// TestPackedBatch: libraries that pack their batches are answered as those that do not; nothing else takes packed bodies.
func TestPackedBatch(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	key := s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.direct("od-1", askOrders, revenue)
	s.answered(d.ID, contract.Executing, d.Revision)
	batch := `{"batch":[{"type":"track","event":"Order Completed","messageId":"m-1","userId":"u","properties":{"total":"1.00","currency":"USD"}}]}`
	post := func(path, auth string) (int, []byte) {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := io.WriteString(w, batch); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.server.URL+path, &packed)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}, "Authorization": {"Bearer " + auth}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, answer
	}
	status, raw := post("/v1/batch", key)
	var a httpapi.Answers
	if err := json.Unmarshal(raw, &a); err != nil || status != 200 || !a.Success || len(a.Results) != 1 || a.Results[0].MessageId != "m-1" {
		t.Errorf("the packed batch is answered %d %s", status, raw)
	}
	if status, raw := post(api+"/segments/count", s.token); status < 400 || status >= 500 {
		t.Errorf("a packed body elsewhere is answered %d %s", status, raw)
	}
	if c := s.conserved(); c.Unaccounted != 0 {
		t.Errorf("the account is %+v", c)
	}
}
