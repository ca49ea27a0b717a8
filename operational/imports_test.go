package operational

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/httpapi"
)

// dataset returns the path of a shared data file; the test is skipped where the data are absent, but never in CI.
func dataset(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
	}
	path := filepath.Join(filepath.Dir(dir), "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the data set %s is missing: %v", name, err)
		}
		t.Skipf("the data set %s is not here", name)
	}
	return path
}

// cdnow returns the rows of a CDNOW file as items.
func cdnow(t testing.TB, name string, columns int) (rows []map[string]any, digest string) {
	t.Helper()
	b, err := os.ReadFile(dataset(t, name))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	lines := bufio.NewScanner(strings.NewReader(string(b)))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < columns || f[0] == "customer_id" {
			continue
		}
		f = f[len(f)-columns:]
		day, err := time.Parse("20060102", f[1])
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, map[string]any{"row": len(rows) + 1, "item": map[string]any{
			"type": "track", "event": "Order Completed", "userId": f[0], "timestamp": day.Format(time.RFC3339),
			"properties": map[string]any{"total": f[3], "currency": "USD", "quantity": f[2]},
		}})
	}
	return rows, hex.EncodeToString(sum[:])
}

func (r *rig) start(digest string) httpapi.Import {
	r.t.Helper()
	var run httpapi.Import
	r.do("POST", api+"/imports", "", map[string]any{"source": "shop", "fileName": "orders.txt", "digest": digest}, 200, &run)
	return run
}

func (r *rig) send(run string, rows []map[string]any) httpapi.RowsAnswer {
	r.t.Helper()
	var last httpapi.RowsAnswer
	for len(rows) > 0 {
		n := min(1000, len(rows))
		r.do("POST", api+"/imports/"+run+"/rows", "", rows[:n], 200, &last)
		rows = rows[n:]
	}
	return last
}

func (r *rig) statement(run string) httpapi.Statement {
	r.t.Helper()
	var s httpapi.Statement
	r.do("GET", api+"/imports/"+run, "", nil, 200, &s)
	return s
}

func (r *rig) caughtUp(run string) httpapi.Statement {
	r.t.Helper()
	var s httpapi.Statement
	r.until("ingest has taken every row", func() bool { s = r.statement(run); return s.CaughtUp })
	if n := s.Stored + s.Duplicate + s.Quarantined + s.NotRequested + s.Invalid + s.Suppressed + s.NotInForce + s.Lost; n != s.RowsRead {
		r.t.Errorf("the statement accounts for %d of %d rows: %+v", n, s.RowsRead, s)
	}
	return s
}

// TestImport imports 6,919 real orders: rows in the file's own words, a lost answer, a second run of the same file.
func TestImport(t *testing.T) {
	t.Parallel()
	r := memory(t)
	r.register("shop")
	rows, digest := cdnow(t, "cdnow/CDNOW_sample.txt", 4)
	run := r.start(digest)
	r.send(run.Run, rows[:2000])

	// A lost answer, a restarted client, and a request that skips rows.
	var again httpapi.RowsAnswer
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[1000:2000], 200, &again)
	if again.Counts["accepted"] != 1000 || again.NextRow != 2001 {
		t.Errorf("the repeated request is answered %+v, want as the first time", again)
	}
	if resumed := r.start(digest); resumed.Run != run.Run || resumed.NextRow != 2001 {
		t.Errorf("the import goes on as %+v, want run %s at row 2001", resumed, run.Run)
	}
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[3000:3010], 409, nil)

	r.send(run.Run, rows[2000:])
	r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{"completeUntil": "1998-07-01"}, 200, nil)
	s := r.caughtUp(run.Run)
	if s.Stored != 6919 || s.Totals.AmountMinor == 0 || len(s.Owners) != 4 {
		t.Errorf("the statement is %+v, want 6,919 orders stored, their sum, and four owners", s)
	}
	var amount int64
	for _, row := range rows {
		var dollars, cents int64
		total := row["item"].(map[string]any)["properties"].(map[string]any)["total"].(string)
		if _, err := fmt.Sscanf(total, "%d.%d", &dollars, &cents); err != nil {
			t.Fatal(err)
		}
		amount += 100*dollars + cents
	}
	if s.Totals.AmountMinor != amount {
		t.Errorf("the total is %d, want %d", s.Totals.AmountMinor, amount)
	}
	r.conserved()
	r.until("the source is complete", func() bool {
		var w httpapi.Watermark
		r.do("GET", api+"/sources/shop/watermark", "", nil, 200, &w)
		return w.CompleteUntil != nil && w.CompleteUntil.Equal(time.Date(1998, 7, 1, 0, 0, 0, 0, time.UTC))
	})

	second := r.start(digest)
	if second.Run == run.Run || second.NextRow != 1 {
		t.Fatalf("the same file again is %+v, want a new run", second)
	}
	if a := r.send(second.Run, rows[:1000]); a.Counts["duplicate"] != 1000 {
		t.Errorf("rows of the same file again are %+v, want duplicates", a.Counts)
	}
	if s := r.caughtUp(second.Run); s.Duplicate != 1000 || s.Stored != 0 {
		t.Errorf("the second statement is %+v, want 1,000 duplicates", s)
	}
	r.conserved()
}

// TestImportUnderAnotherMapping: an open import is not gone on with under another mapping, which would read half a file one way
// and half another; after a finished one, the next says that the file was read otherwise, and the first reading stays.
func TestImportUnderAnotherMapping(t *testing.T) {
	t.Parallel()
	r := memory(t)
	r.register("shop")
	draft := func(amount string) map[string]any {
		return map[string]any{"source": "shop", "fileName": "orders.csv", "digest": fmt.Sprintf("%064x", 7), "mapping": map[string]string{"amount": amount, "date": "day"}}
	}
	rows := func(total string) (all []map[string]any) {
		for i := range 20 {
			all = append(all, map[string]any{"row": i + 1, "item": map[string]any{"type": "track", "event": "Order Completed", "userId": fmt.Sprint("u", i),
				"timestamp": "1997-01-05T00:00:00Z", "properties": map[string]any{"total": total}}})
		}
		return all
	}
	var run, again httpapi.Import
	r.do("POST", api+"/imports", "", draft("net"), 200, &run)
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows("10.00")[:10], 200, nil)
	var refused struct{ Detail string }
	r.do("POST", api+"/imports", "", draft("gross"), 409, &refused)
	for _, part := range []string{run.Run, `amount is "net" there and "gross" now`, "row 11", "finish"} {
		if !strings.Contains(refused.Detail, part) {
			t.Errorf("the refusal does not say %q: %s", part, refused.Detail)
		}
	}
	if strings.Contains(refused.Detail, "date") {
		t.Errorf("the refusal names what does not differ: %s", refused.Detail)
	}
	r.do("POST", api+"/imports", "", draft("net"), 200, &again)
	if again.Run != run.Run || again.NextRow != 11 || again.ReadOtherwise != nil {
		t.Errorf("under its own mapping it goes on as %+v", again)
	}
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows("10.00")[10:], 200, nil)
	r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	r.caughtUp(run.Run)

	r.do("POST", api+"/imports", "", draft("gross"), 200, &again)
	if o := again.ReadOtherwise; again.Run == run.Run || o == nil || o.Run != run.Run || o.Mapping["amount"] != "net" {
		t.Errorf("the next import of the file is %+v, want that it was read otherwise before", again)
	}
	r.do("POST", api+"/imports/"+again.Run+"/rows", "", rows("12.00"), 200, nil)
	r.do("POST", api+"/imports/"+again.Run+"/finish", "", map[string]any{}, 200, nil)
	if s := r.caughtUp(again.Run); s.Quarantined != 20 || s.Stored != 0 || s.ReadOtherwise == nil {
		t.Errorf("its statement is %+v, want every row set aside, and why", s)
	}
	var third httpapi.Import
	r.do("POST", api+"/imports", "", draft("gross"), 200, &third)
	if third.Run == again.Run || third.ReadOtherwise != nil {
		t.Errorf("the last finished one read it so, too, but it is said that %+v", third.ReadOtherwise)
	}
}

// TestImportAfterLostReplies publishes a block of rows whose answer is lost, while the directive that asked for them is
// withdrawn: sent again, each row still has exactly one outcome, and the one it had.
func TestImportAfterLostReplies(t *testing.T) {
	t.Parallel()
	r := memory(t)
	r.register("shop")
	rows, digest := cdnow(t, "cdnow/CDNOW_sample.txt", 4)
	rows = rows[:300]
	rows[7]["item"].(map[string]any)["properties"].(map[string]any)["total"] = "much"
	rows[8]["item"].(map[string]any)["event"] = "Something Else"
	run := r.start(digest)
	r.bus.LoseReplies(1)
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[:200], 503, nil)
	r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 409, nil)
	r.asked.set.Store(collect.NewSet(2, nil))

	// A client that was restarted sends other blocks: what was judged is answered, the rest comes with the next request.
	var first, second httpapi.RowsAnswer
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[:150], 200, &first)
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[150:300], 200, &second)
	if first.LastRow != 150 || second.LastRow != 200 || second.NextRow != 201 {
		t.Fatalf("the answers end at rows %d and %d, next %d; want 150, 200 and 201", first.LastRow, second.LastRow, second.NextRow)
	}
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[200:300], 200, &second)
	if second.Counts["not_requested"] != 100 {
		t.Errorf("rows after the withdrawal are %v, want 100 not requested", second.Counts)
	}
	r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	s := r.caughtUp(run.Run)
	if s.Stored != 198 || s.Invalid != 1 || s.NotRequested != 101 || s.Duplicate != 0 || s.RowsRead != 300 {
		t.Errorf("the statement is %+v, want 198 stored, 1 invalid, 101 not requested", s)
	}
	// The statement knows every row's outcome before the last of the records that came twice was passed.
	r.until("198 records that were published twice", func() bool {
		var duplicate int64
		for _, p := range r.conserved().Partitions {
			duplicate += p.Duplicate
		}
		return duplicate == 198
	})
}

// TestRowsOfTheNextBlockWait sends the second block before the first one, which it waits for; the third one alone is
// refused.
func TestRowsOfTheNextBlockWait(t *testing.T) {
	t.Parallel()
	r := memory(t)
	r.register("shop")
	rows, digest := cdnow(t, "cdnow/CDNOW_sample.txt", 4)
	run := r.start(digest)
	early := make(chan httpapi.RowsAnswer, 1)
	var sending sync.WaitGroup
	sending.Go(func() {
		defer close(early) // also where do ends the goroutine, because the answer is another one
		var a httpapi.RowsAnswer
		r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[1000:2000], 200, &a)
		early <- a
	})
	var first httpapi.RowsAnswer
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[:1000], 200, &first)
	sending.Wait()
	if second := <-early; first.NextRow != 1001 || second.NextRow != 2001 {
		t.Errorf("after the two blocks rows %d and %d are wanted", first.NextRow, second.NextRow)
	}
	r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[2010:2020], 409, nil)
	r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	if s := r.caughtUp(run.Run); s.Stored != 2000 {
		t.Errorf("the statement is %+v, want 2,000 stored", s)
	}
}

// TestStartedTwiceAtOnce has several people import one file at the same moment: they share one run, each gets every block
// answered as if it were alone, and the statement adds up.
func TestStartedTwiceAtOnce(t *testing.T) {
	t.Parallel()
	r := memory(t)
	r.register("shop")
	rows, digest := cdnow(t, "cdnow/CDNOW_sample.txt", 4)
	rows = rows[:2000]
	const people, block = 4, 100
	var runs [people]httpapi.Import
	var importing sync.WaitGroup
	begin := make(chan struct{})
	for i := range people {
		importing.Go(func() {
			<-begin
			run := r.start(digest)
			for next := int(run.NextRow); next <= len(rows); {
				var a httpapi.RowsAnswer
				r.do("POST", api+"/imports/"+run.Run+"/rows", "", rows[next-1:next-1+block], 200, &a)
				if a.Counts["accepted"] != block {
					t.Errorf("the rows from %d are answered %v", next, a.Counts)
				}
				next = int(a.NextRow)
			}
			r.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, &runs[i])
		})
	}
	close(begin)
	importing.Wait()
	for i := range runs {
		if runs[i].Run == "" || runs[i].Run != runs[0].Run {
			t.Fatalf("one of them ended run %q, another %q", runs[0].Run, runs[i].Run)
		}
	}
	if s := r.caughtUp(runs[0].Run); s.RowsRead != 2000 || s.Stored != 2000 || s.Duplicate != 0 || s.Lost != 0 {
		t.Errorf("the statement is %+v, want 2,000 rows stored", s)
	}
	r.conserved()
}

// TestRowsAsLines sends rows as NDJSON.
func TestRowsAsLines(t *testing.T) {
	t.Parallel()
	r := memory(t)
	r.register("shop")
	rows, digest := cdnow(t, "cdnow/CDNOW_sample.txt", 4)
	run := r.start(digest)
	var body bytes.Buffer
	for _, row := range rows[:50] {
		if err := json.NewEncoder(&body).Encode(row); err != nil {
			t.Fatal(err)
		}
	}
	send := func(body string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+api+"/imports/"+run.Run+"/rows", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + r.token}, "Content-Type": {"application/x-ndjson"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != want {
			t.Errorf("status %d, want %d: %s %v", res.StatusCode, want, answer, err)
		}
	}
	send(body.String(), 200)
	send("{\"row\": 51}\n", 400)
	send("not JSON\n", 400)
	if s := r.caughtUp(run.Run); s.Stored != 50 {
		t.Errorf("the statement is %+v, want 50 stored", s)
	}
}
