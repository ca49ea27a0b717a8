package operational

import (
	"context"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/local/broker"
	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/mongodb"
)

// local opens the rig over a folder; close stops everything and leaves the folder.
func local(t testing.TB, dir string, a asked) (*rig, func()) {
	t.Helper()
	tel := newTelemetry(t)
	b, err := broker.Open(broker.Options{Dir: dir + "/broker", Logger: tel.Logger})
	if err != nil {
		t.Fatal(err)
	}
	k, err := kafkabus.New(kafkabus.Options{Brokers: b.Brokers(), ClientID: "test", Dial: b.Dial, Logger: tel.Logger})
	if err != nil {
		t.Fatal(err)
	}
	s, err := docstore.Open(docstore.Options{Dir: dir + "/store", Now: time.Now, Logger: tel.Logger})
	if err != nil {
		t.Fatal(err)
	}
	db, err := mongodb.Connect(t.Context(), mongodb.Config{URI: s.URI(), Database: "strata_operational"},
		mongodb.Deps{Dialer: s.Dialer(), Logger: tel.Logger, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.EnsureTopics(t.Context(), contract.Specs()...); err != nil {
		t.Fatal(err)
	}
	if err := mongodb.Setup(t.Context(), db, Indexes(), Migrations()); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, host.Deps{DB: db, Bus: k, Telemetry: tel, Now: time.Now, NewID: contract.NewID}, a)
	closed := false
	shut := func() {
		if closed {
			return
		}
		closed = true
		r.stop()
		ctx := context.WithoutCancel(t.Context())
		if err := k.Close(ctx); err != nil {
			t.Errorf("close the bus: %v", err)
		}
		if err := db.Close(ctx); err != nil {
			t.Errorf("close the database: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
		b.Close()
	}
	t.Cleanup(shut)
	return r, shut
}

// TestAllOrders imports every order of CDNOW through the API into a folder on disk: to the cent, every row accounted for.
func TestAllOrders(t *testing.T) {
	if testing.Short() {
		t.Skip("69,659 rows take some seconds")
	}
	r, _ := local(t, t.TempDir(), orders(time.Now()))
	r.register("shop")
	rows, digest := cdnow(t, "cdnow/CDNOW_master.txt", 4)
	begin := time.Now()
	run := r.start(digest)
	r.send(run.Run, rows)
	sent := time.Since(begin)
	r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{"completeUntil": "1998-07-01"}, 200, nil)
	s := r.caughtUp(run.Run)
	t.Logf("%d rows: sent in %v, ingested in %v", len(rows), sent, time.Since(begin))
	if s.Stored != 69659 || s.Totals.AmountMinor != 250031563 || s.Suspects["identical_rows"] != 255 || s.Suspects["zero_amount"] != 80 {
		t.Errorf("the statement is %+v, want 69,659 orders of $2,500,315.63, 255 identical and 80 of zero", s)
	}
	if c := r.conserved(); stored(c) != 69659 {
		t.Errorf("the lake holds %d events, want 69,659", stored(c))
	}
}

// TestRestart stops the process in the middle of an import, and again: nothing is lost, and nothing counts twice.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir, a := t.TempDir(), orders(time.Now())
	rows, digest := cdnow(t, "cdnow/CDNOW_sample.txt", 4)
	rows = rows[:3000]
	r, shut := local(t, dir, a)
	r.register("shop")
	run := r.start(digest)
	for from := 0; from < len(rows); from += 1000 {
		r.send(run.Run, rows[from:from+1000])
		shut() // at once: ingest has not taken everything
		r, shut = local(t, dir, a)
		if again := r.start(digest); again.Run != run.Run || again.NextRow != int64(from)+1001 {
			t.Fatalf("after a restart the import is %+v, want run %s at row %d", again, run.Run, from+1001)
		}
	}
	r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	if s := r.caughtUp(run.Run); s.Stored != 3000 || s.Lost != 0 {
		t.Errorf("the statement is %+v, want 3,000 stored and none lost", s)
	}
	r.conserved()
}
