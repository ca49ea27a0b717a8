package operational

import (
	"fmt"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/contract"
)

// TestWhatIsKeptAsLongAsItMayBeGoes turns the clock of the whole service: a day before the limit everything is there, after it
// nothing is, each event counts as removed in an account that stays exact, and what was measured of it is never measured again,
// whatever comes late, while later windows are.
func TestWhatIsKeptAsLongAsItMayBeGoes(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.lasts = 5 * 365 * 24 * time.Hour
	s.govern("retention_analysis")
	key := s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.direct("od-1", askOrders, revenue)
	s.answered("od-1", contract.Executing, d.Revision)
	s.importSales("shop")
	february := s.measured("od-1", "revenue_month", "1997-02")
	s.settled(300, 0)

	s.turn(d.Constraints.RetentionDays - 1)
	s.settled(300, 0)
	s.turn(2)
	s.settled(0, 300)

	late := map[string]any{"event": "Order Completed", "userId": "u1", "messageId": "late", "timestamp": "1997-02-10T10:00:00Z",
		"properties": map[string]any{"total": "99.00", "currency": "USD"}}
	s.until("it collects again", func() bool {
		status := s.collected(key, "track", late)
		return status == "accepted" || status == "duplicate"
	})
	s.importMarch("shop")
	s.settled(31, 300)
	march := s.measured("od-1", "revenue_month", "1997-03")
	if march.Value == nil || *march.Value != 30*1050 {
		t.Errorf("March's revenue is %+v, want 30 orders of 10.50", march)
	}
	s.collected(key, "track", map[string]any{"event": "Order Completed", "userId": "u2", "messageId": "later", "timestamp": "1997-03-10T10:00:00Z",
		"properties": map[string]any{"total": "10.50", "currency": "USD"}})
	s.until("March is measured anew", func() bool { return s.latest("od-1", "revenue_month", "1997-03").Revision > march.Revision })
	if now := s.latest("od-1", "revenue_month", "1997-02"); now.Value == nil || *now.Value != *february.Value || !now.AsOf.Equal(february.AsOf) {
		t.Errorf("February is %+v, want it as it was: %+v", now, february)
	}
}

// turn sets the service's clock ahead by so many days, as if it had been away for them, and waits until it has looked for what
// has been kept too long.
func (s *suite) turn(days int) {
	s.t.Helper()
	s.stop()
	s.ahead.Add(int64(days) * 24 * int64(time.Hour))
	turned := s.now()
	s.run()
	passes := mongostore.NewExpiry("main", s.db, nil, "USD", s.now)
	s.until("a pass has ended", func() bool {
		at, err := passes.Finished(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		return !at.Before(turned.Truncate(time.Millisecond))
	})
}

// settled waits until so many events are stored and removed, and checks at every look that none is unaccounted for.
func (s *suite) settled(stored, removed int64) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d events are stored and %d removed", stored, removed), func() bool {
		var in, out int64
		for _, p := range s.conserved().Partitions {
			in, out = in+p.Stored, out+p.Removed
		}
		return in == stored && out == removed
	})
}

// importMarch imports 30 orders of March 1997, of 10.50 each.
func (s *suite) importMarch(source string) {
	s.t.Helper()
	var rows []map[string]any
	for i := range 30 {
		day := time.Date(1997, 3, 1+i, 10, 0, 0, 0, time.UTC)
		rows = append(rows, map[string]any{"row": i + 1, "item": map[string]any{"type": "track", "event": "Order Completed", "userId": fmt.Sprintf("u%d", i),
			"timestamp": day.Format(time.RFC3339), "properties": map[string]any{"total": "10.50", "currency": "USD"}}})
	}
	var run httpapi.Import
	s.do("POST", api+"/imports", "", map[string]any{"source": source, "fileName": "march.csv", "digest": fmt.Sprintf("%064x", 2), "rows": 30}, 200, &run)
	s.do("POST", api+"/imports/"+run.Run+"/rows", "", rows, 200, nil)
	s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{"completeUntil": "1997-04-01"}, 200, nil)
}
