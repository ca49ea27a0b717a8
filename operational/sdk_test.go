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

// sent is a request of a published library for tracking events, as it came from the library; but for the key.
type sent struct {
	library, contentType string
	packed               bool
	body                 string
	want                 string // the statuses of its items
}

// recorded were taken down by a server on loopback that printed what it was sent, on 24 November 2026.
var recorded = []sent{
	{"@segment/analytics-node 3.1.0", "application/json", false, `{"batch":[{"timestamp":"2026-11-24T19:49:09.508Z","integrations":{},"type":"identify","userId":"ada","traits":{"email":"ada@example.org","plan":"gold"},"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"messageId":"node-next-1795549749508-83a1a6e0-0abb-4028-98f3-f4a962508dd1","_metadata":{"nodeVersion":"v20.20.2","jsRuntime":"node"}},{"timestamp":"2026-11-24T19:49:09.508Z","integrations":{},"event":"Order Completed","type":"track","properties":{"order_id":"o-1","total":11.77,"currency":"USD","products":[{"product_id":"p-1","quantity":1,"price":11.77}]},"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"userId":"ada","messageId":"node-next-1795549749508-a6e00abb-3028-48f3-b4a9-62508dd1916c","_metadata":{"nodeVersion":"v20.20.2","jsRuntime":"node"}}],"writeKey":"KEY","sentAt":"2026-11-24T19:49:09.512Z"}`,
		"not_requested accepted"},
	{"analytics-python 2.4.0", "application/json", false, `{"batch": [{"integrations": {}, "anonymousId": null, "timestamp": "2026-11-24T19:49:10.105+00:00", "context": {"library": {"name": "analytics-python", "version": "2.4.0"}}, "type": "identify", "userId": "bob", "traits": {"email": "bob@example.org"}, "messageId": "02db9626-bf3f-4db1-92f2-474a10c10d08"}, {"integrations": {}, "anonymousId": null, "properties": {"order_id": "o-2", "total": 5.5, "currency": "USD"}, "timestamp": "2026-11-24T19:49:10.106+00:00", "context": {"library": {"name": "analytics-python", "version": "2.4.0"}}, "userId": "bob", "type": "track", "event": "Order Completed", "messageId": "d40d521d-29a7-4525-9fdb-3f45cd3ae732"}], "sentAt": "2026-11-24T19:49:10.605913+00:00", "writeKey": "KEY"}`,
		"not_requested accepted"},
	{"@rudderstack/rudder-sdk-node 3.0.13", "application/x-www-form-urlencoded", true, `{"batch":[{"userId":"eve","event":"Order Completed","properties":{"total":7,"currency":"USD"},"type":"track","context":{"library":{"name":"analytics-node","version":"3.0.13"}},"channel":"server","_metadata":{"nodeVersion":"20.20.2"},"originalTimestamp":"2026-11-24T19:49:11.812Z","messageId":"05253039-3e50-4d0f-8f28-aa3d7b33c1c9","sentAt":"2026-11-24T19:49:11.813Z"}],"timestamp":"2026-11-24T19:49:11.813Z","sentAt":"2026-11-24T19:49:11.813Z"}`,
		"accepted"},
}

// TestLibrariesWorkUnchanged sends what published libraries send: every order is stored. Nobody asks for what identify tells.
func TestLibrariesWorkUnchanged(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	key := s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.direct("od-1", askOrders, revenue)
	s.answered(d.ID, contract.Executing, d.Revision)
	for _, r := range recorded {
		status, raw := s.replay(r, key)
		var a httpapi.Answers
		if err := json.Unmarshal(raw, &a); err != nil || status/100 != 2 {
			t.Errorf("%s is answered %d %s", r.library, status, raw)
			continue
		}
		got := ""
		for i, x := range a.Results {
			if i > 0 {
				got += " "
			}
			got += string(x.Status)
		}
		if got != r.want {
			t.Errorf("the items of %s are %s, want %s: %s", r.library, got, r.want, raw)
		}
	}
	s.until("three orders are stored", func() bool { return stored(s.conserved()) >= 3 })
}

func (s *suite) replay(r sent, key string) (int, []byte) {
	s.t.Helper()
	body := bytes.NewBufferString(r.body)
	if r.packed {
		body = &bytes.Buffer{}
		w := gzip.NewWriter(body)
		if _, err := io.WriteString(w, r.body); err != nil {
			s.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.server.URL+"/v1/batch", body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {r.contentType}, "Authorization": {basic(key)}}
	if r.packed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, raw
}
