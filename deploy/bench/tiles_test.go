package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/contract"
)

const (
	readers    = 50
	tilesOfOne = 10 // tiles of a dashboard's call
	phase      = 2 * time.Second
	rounds     = 3
	tileAim    = 5
	countAim   = 20
	full       = 30_000  // orders that are sent as fast as ingest takes them, to know its full load
	part       = 100_000 // orders of one file; the rig holds one at a time
)

// What a tile of a dashboard takes, and the count of a segment, over HTTP from 50 readers, against the bare driver reading one
// profile by its id from as many readers just before, while ingest is at half load: its full load is what it takes in when all
// customers are there and nobody reads, and half of that is offered all the time. STRATA_BENCH_CUSTOMERS sets how many
// customers there are.
func TestBenchTiles(t *testing.T) {
	r := start(t)
	customers := 50_000
	if s := os.Getenv("STRATA_BENCH_CUSTOMERS"); s != "" {
		var err error
		if customers, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	goal, find := r.stocked(customers)
	begun := time.Now()
	r.take(shop(t, customers, "full load", 0, full))
	speed := full / time.Since(begun).Seconds()
	kinds := r.kinds(goal)
	for _, k := range kinds { // windows are measured once more when they have closed
		r.await("the first answer of "+k.name, func() bool { return k.read(t.Context()) == nil })
	}
	load := r.load(speed/2, customers)
	ones, ratios, took := []time.Duration{}, map[string][]float64{}, map[string][]time.Duration{}
	for range rounds {
		for _, k := range kinds {
			one, d := together(t, phase/2, find), together(t, phase, k.read)/time.Duration(k.tiles)
			ones, took[k.name] = append(ones, one), append(took[k.name], d)
			ratios[k.name] = append(ratios[k.name], float64(d)/float64(one))
		}
	}
	offered, taken := load()
	t.Logf("%d customers; full load: %.0f orders a second; while %d read, %.0f %% of it were offered and %.0f %% taken in; findOne by _id: %.3f ms",
		customers, speed, readers, 100*offered/speed, 100*taken/speed, median(ones).Seconds()*1000)
	for _, k := range kinds {
		t.Logf("%-30s %5.1f findOnes (aim <= %d; %.1f to %.1f), %.3f ms", k.name, middle(ratios[k.name]), k.aim,
			slices.Min(ratios[k.name]), slices.Max(ratios[k.name]), median(took[k.name]).Seconds()*1000)
	}
}

// stocked imports orders of all customers, waits until they are measured, and returns the goal they are measured for and what
// reads one of the profiles by its id.
func (r *rig) stocked(customers int) (contract.GoalID, func(ctx context.Context) error) {
	r.t.Helper()
	r.issue("Keep more", contract.Retention, "month_on_month_retention", contract.Ratio)
	orders, begun := customers+customers/3, time.Now()
	for from := 0; from < orders; from += part {
		r.take(shop(r.t, customers, "stock", from, min(part, orders-from)))
	}
	r.t.Logf("%d orders imported in %.0f s", orders, time.Since(begun).Seconds())
	if _, err := r.stew.Complete(r.t.Context(), "order-file", "1998-01-01T00:00:00Z"); err != nil {
		r.t.Fatal(err)
	}
	goal := r.measured()
	r.t.Logf("measured %.0f s after the import began", time.Since(begun).Seconds())
	return goal, r.finder()
}

func middle(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// kind is one way of reading.
type kind struct {
	name  string
	tiles int // of one call
	aim   int // findOnes for one of them
	read  func(ctx context.Context) error
}

func (r *rig) kinds(goal contract.GoalID) []kind {
	var all []kind
	for _, n := range []int{tilesOfOne, 1} {
		for _, name := range []string{"latest", "series", "breakdown", "cohorts", "movers", "compare"} {
			var tiles []map[string]any
			for i := range n {
				tiles = append(tiles, map[string]any{"id": fmt.Sprint(i), "kind": name, "goal": goal})
			}
			body := map[string]any{"tiles": tiles}
			all = append(all, kind{fmt.Sprintf("%s, %d a call", name, n), n, tileAim, func(ctx context.Context) error {
				var answer struct {
					Tiles []struct {
						Problem *struct{ Text string }
					}
				}
				if err := r.eva.Ask(ctx, "/api/functional/v1/query", body, &answer); err != nil {
					return err
				}
				for _, tile := range answer.Tiles {
					if tile.Problem != nil {
						return fmt.Errorf("%s: %s", name, tile.Problem.Text)
					}
				}
				return nil
			}})
		}
	}
	condition := map[string]any{"condition": map[string]any{"all": []map[string]any{
		{"field": "orders", "op": "gte", "value": 2}, {"field": "revenue", "op": "lt", "value": 5000}, {"field": "last_day", "op": "gte", "value": "1997-06-01"}}}}
	return append(all, kind{"segment count", 1, countAim, func(ctx context.Context) error {
		return r.stew.Ask(ctx, "/api/operational/v1/segments/count", condition, nil)
	}})
}

// together lets all readers read for a while and returns the median time of one reading.
func together(t *testing.T, phase time.Duration, read func(ctx context.Context) error) time.Duration {
	t.Helper()
	var lock sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	until := time.Now().Add(phase)
	for range readers {
		wg.Go(func() {
			var own []time.Duration
			var err error
			for begun := time.Now(); err == nil && begun.Before(until); {
				err = read(t.Context())
				now := time.Now()
				own, begun = append(own, now.Sub(begun)), now
			}
			lock.Lock()
			defer lock.Unlock()
			all, failed = append(all, own...), cmp.Or(failed, err)
		})
	}
	wg.Wait()
	if failed != nil || len(all) == 0 {
		t.Fatalf("%d readings, %v", len(all), failed)
	}
	return median(all)
}

// shop is orders of the year 1997, of one customer after another, in a file that no other name or beginning gives. Each
// buys on two days of the year only, so that the groups of its tiles stay large enough to be shown however many orders there are.
func shop(t *testing.T, customers int, name string, from, orders int) *orderfile.File {
	t.Helper()
	var text bytes.Buffer
	seed := fnv.New64()
	fmt.Fprint(seed, name, from)
	random := rand.New(rand.NewPCG(3, seed.Sum64()))
	for c := from; c < from+orders; c++ {
		own := rand.New(rand.NewPCG(5, uint64(c%customers)))
		days := [2]int{own.IntN(365), own.IntN(365)}
		day := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, days[random.IntN(2)])
		fmt.Fprintf(&text, "%d %s %d %d.%02d\n", c%customers, day.Format("20060102"), 1+random.IntN(3), 1+random.IntN(90), random.IntN(100))
	}
	f, err := orderfile.Read(fmt.Sprintf("%s-%d.txt", name, from), text.Bytes(), orderfile.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// take imports a file and waits until ingest has taken every row.
func (r *rig) take(f *orderfile.File) {
	r.t.Helper()
	run, err := upload.File(r.t.Context(), r.stew, "order-file", f, func(int64, int64) {})
	if err == nil {
		_, err = upload.Settled(r.t.Context(), r.stew, run.Run)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// measured waits until every month of the year is measured, and returns the goal.
func (r *rig) measured() (goal contract.GoalID) {
	r.t.Helper()
	r.await("measurements of every month", func() bool {
		cards, err := r.eva.Scorecard(r.t.Context(), "")
		if err != nil || len(cards) == 0 {
			return false
		}
		goal = cards[0].Goal.ID
		info, err := r.eva.Information(r.t.Context(), goal)
		return err == nil && len(info.Series) >= 12
	})
	return goal
}

// finder returns what reads a profile by its id.
func (r *rig) finder() func(ctx context.Context) error {
	r.t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(r.exposed()["MONGO_URI"]))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	profiles := c.Database("strata_operational").Collection("profiles")
	var ids []struct {
		ID string `bson:"_id"`
	}
	cur, err := profiles.Find(r.t.Context(), bson.D{}, options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetLimit(10_000))
	if err == nil {
		err = cur.All(r.t.Context(), &ids)
	}
	if err != nil || len(ids) == 0 {
		r.t.Fatalf("%d profiles, %v", len(ids), err)
	}
	return func(ctx context.Context) error {
		return profiles.FindOne(ctx, bson.D{{Key: "_id", Value: ids[rand.IntN(len(ids))].ID}}).Err()
	}
}

// load offers orders at a speed until it is ended, and says then how many a second were sent and how many ingest has taken.
func (r *rig) load(perSecond float64, customers int) (end func() (sent, taken float64)) {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	p := &pace{rig: r, perSecond: perSecond, begun: time.Now()}
	before := r.passed()
	var wg sync.WaitGroup
	wg.Go(func() {
		for from := 0; ctx.Err() == nil; from += part {
			if err := p.send(ctx, shop(r.t, customers, "half load", from, part)); err != nil && ctx.Err() == nil {
				r.t.Error(err)
				return
			}
		}
	})
	return func() (float64, float64) {
		after, seconds := r.passed(), time.Since(p.begun).Seconds()
		stop()
		wg.Wait()
		return float64(p.sent) / seconds, float64(after-before) / seconds
	}
}

// passed returns how many records ingest has passed.
func (r *rig) passed() (n int64) {
	r.t.Helper()
	c, err := r.stew.Conservation(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range c.Partitions {
		n += p.Next
	}
	return n
}

// pace is orders sent at a speed; one that was kept waiting catches up.
type pace struct {
	*rig
	perSecond float64
	begun     time.Time
	sent      int64
}

const (
	beat = 50 * time.Millisecond
	most = 1000 // orders that may be sent at once
)

// send imports a file, at each beat what is due.
func (p *pace) send(ctx context.Context, f *orderfile.File) error {
	run, err := p.stew.StartImport(ctx, client.ImportDraft{Source: "order-file", FileName: f.Name, Digest: f.Digest, Mapping: f.Mapping.Described(), Rows: int64(len(f.Rows))})
	if err != nil {
		return err
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for next, rows := int64(1), int64(len(f.Rows)); next <= rows; {
		due := min(int64(p.perSecond*time.Since(p.begun).Seconds())-p.sent, most, rows-next+1)
		if due > 0 {
			if _, err := p.stew.SendRows(ctx, run.Run, upload.Rows(f, next, next+due-1)); err != nil {
				return err
			}
			next, p.sent = next+due, p.sent+due
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
	_, err = p.stew.FinishImport(ctx, run.Run)
	return err
}
