package upload

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
)

// gateway takes rows as the suite does: only the one wanted next, each once; unless it is hasty, those of the next block
// wait for it to be wanted. failing says, for each request of rows in turn, what goes wrong.
type gateway struct {
	hasty    bool
	mu       sync.Mutex
	next     int64
	taken    []int64
	finished bool
	waits    int // how often ingest has not caught up
	failing  []failure
}

type failure int

const (
	nothing  failure = iota
	overload         // refused before anything was taken
	lost             // taken, and the answer lost on the way
	invalid          // refused for good
)

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/rows") {
		g.rows(w, r)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/finish"):
		g.finished = true
		g.state(w)
	case r.Method == http.MethodGet:
		g.waits--
		g.state(w)
	default:
		g.state(w)
	}
}

func (g *gateway) state(w http.ResponseWriter) {
	_ = json.NewEncoder(w).Encode(client.Statement{Run: "run-1", NextRow: g.next, CaughtUp: g.finished && g.waits <= 0, RowsRead: int64(len(g.taken))})
}

func (g *gateway) rows(w http.ResponseWriter, r *http.Request) {
	var rows []client.Row
	if err := json.NewDecoder(r.Body).Decode(&rows); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(2 * time.Second); !g.hasty && time.Now().Before(limit) && g.early(rows[0].Row); {
		<-tick.C
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	trouble := nothing
	if len(g.failing) > 0 {
		trouble, g.failing = g.failing[0], g.failing[1:]
	}
	switch {
	case trouble == overload:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case trouble == invalid || rows[0].Row != g.next:
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"type":"urn:strata:problem:row_order","detail":"row %d is wanted next"}`, g.next)
		return
	}
	for _, row := range rows {
		g.taken = append(g.taken, row.Row)
	}
	g.next += int64(len(rows))
	if trouble == lost {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(client.RowsAnswer{NextRow: g.next})
}

func (g *gateway) early(row int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return row > g.next
}

func to(t *testing.T, g *gateway) *client.Client {
	t.Helper()
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func orders(t *testing.T, n int) *orderfile.File {
	t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "c%d,2024-01-05,1,1.00\n", i)
	}
	f, err := orderfile.Read("orders", []byte(text.String()), orderfile.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Whatever goes wrong on the way for a while, every row is taken once and in order.
func TestEveryRowOnce(t *testing.T) {
	t.Parallel()
	const n = 3*batchRows + 17
	for name, g := range map[string]*gateway{
		"nothing goes wrong":     {next: 1},
		"blocks come too early":  {next: 1, hasty: true},
		"early and overload":     {next: 1, hasty: true, failing: []failure{overload, overload, nothing, overload}},
		"overload":               {next: 1, failing: []failure{overload, nothing, overload, overload}},
		"lost answers":           {next: 1, failing: []failure{lost, nothing, lost}},
		"an earlier attempt":     {next: 1501},
		"all was sent before":    {next: n + 1},
		"ingest needs some time": {next: 1, waits: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, f := to(t, g), orders(t, n)
			var want []int64
			for i := g.next; i <= n; i++ {
				want = append(want, i)
			}
			var told []int64
			run, err := File(t.Context(), c, "shop", f, func(done, of int64) { told = append(told, done) })
			if err != nil {
				t.Fatal(err)
			}
			s, err := Settled(t.Context(), c, run.Run)
			if err != nil || !s.CaughtUp || !g.finished {
				t.Errorf("%+v, %v", s, err)
			}
			if d := cmp.Diff(want, g.taken); d != "" {
				t.Errorf("rows (-want +got):\n%s", d)
			}
			if told[len(told)-1] != n {
				t.Errorf("the last progress is %v of %d", told, n)
			}
		})
	}
}

// A refusal that is no matter of order ends the import, and says which rows it is about.
func TestRefused(t *testing.T) {
	t.Parallel()
	g := &gateway{next: 1, failing: []failure{nothing, invalid, invalid}}
	_, err := File(t.Context(), to(t, g), "shop", orders(t, 2*batchRows), func(int64, int64) {})
	if client.Status(err) != http.StatusConflict || !strings.Contains(err.Error(), "rows from 1001 of orders: row 1001 is wanted next") {
		t.Errorf("got %v", err)
	}
	if g.finished {
		t.Error("the import was finished")
	}
}
