package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
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
)

// What a tile of a dashboard takes, and the count of a segment, over HTTP from 50 readers while ingest works at half of the
// speed that the import before reached, against the bare driver reading one profile by its id from 50 readers under the same
// load. Phases of each kind take turns. STRATA_BENCH_CUSTOMERS sets how many customers there are.
func TestBenchTiles(t *testing.T) {
	r := start(t)
	customers := 50_000
	if s := os.Getenv("STRATA_BENCH_CUSTOMERS"); s != "" {
		var err error
		if customers, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	r.issue("Keep more", contract.Retention, "month_on_month_retention", contract.Ratio)
	f := shop(t, customers, 0)
	begun := time.Now()
	r.take(f)
	speed := float64(len(f.Rows)) / time.Since(begun).Seconds()
	if _, err := r.stew.Complete(t.Context(), "order-file", "1998-01-01T00:00:00Z"); err != nil {
		t.Fatal(err)
	}
	goal := r.measured()
	find := r.finder(customers)
	kinds := r.kinds(goal, find)
	load := r.load(speed/2, customers)
	took := map[string][]time.Duration{}
	for range rounds {
		for _, k := range kinds {
			took[k.name] = append(took[k.name], together(t, k.read))
		}
	}
	sent, over := load()
	one := median(took[kinds[0].name])
	t.Logf("%d customers, %d orders in %.0f s (%.0f a second); meanwhile %.0f a second were taken in, half of it being %.0f; findOne by _id: %.3f ms",
		customers, len(f.Rows), float64(len(f.Rows))/speed, speed, float64(sent)/over.Seconds(), speed/2, one.Seconds()*1000)
	for _, k := range kinds[1:] {
		d := median(took[k.name]) / time.Duration(k.tiles)
		t.Logf("%-30s %5.1f findOnes (aim <= %d), %.3f ms", k.name, float64(d)/float64(one), k.aim, d.Seconds()*1000)
	}
}

// kind is one way of reading.
type kind struct {
	name  string
	tiles int // of one call
	aim   int // findOnes for one of them
	read  func(ctx context.Context) error
}

func (r *rig) kinds(goal contract.GoalID, find func(ctx context.Context) error) []kind {
	all := []kind{{"findOne", 1, 1, find}}
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
func together(t *testing.T, read func(ctx context.Context) error) time.Duration {
	t.Helper()
	var lock sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	until := time.Now().Add(phase)
	for range readers {
		wg.Go(func() {
			var own []time.Duration
			for begun := time.Now(); begun.Before(until); {
				if err := read(t.Context()); err != nil {
					t.Error(err)
					return
				}
				now := time.Now()
				own, begun = append(own, now.Sub(begun)), now
			}
			lock.Lock()
			defer lock.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	if len(all) == 0 {
		t.Fatal("nothing was read")
	}
	return median(all)
}

// shop is an order of each customer, and of one in three another one, over the year 1997.
func shop(t *testing.T, customers, nth int) *orderfile.File {
	t.Helper()
	random := rand.New(rand.NewPCG(3, uint64(nth)))
	var text bytes.Buffer
	for c := range customers + customers/3 {
		day := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, random.IntN(365))
		fmt.Fprintf(&text, "%d %s %d %d.%02d\n", c%customers, day.Format("20060102"), 1+random.IntN(3), 1+random.IntN(90), random.IntN(100))
	}
	f, err := orderfile.Read(fmt.Sprintf("shop-%d.txt", nth), text.Bytes(), orderfile.Mapping{})
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
func (r *rig) finder(customers int) func(ctx context.Context) error {
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

// load sends orders at a speed, one file after another, until it is ended, and says how many in which time.
func (r *rig) load(perSecond float64, customers int) (end func() (int64, time.Duration)) {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	var sent atomic.Int64
	begun := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(time.Duration(float64(block) / perSecond * float64(time.Second)))
		defer ticker.Stop()
		for nth := 1; ctx.Err() == nil; nth++ {
			if err := r.send(ctx, shop(r.t, max(customers, 20*block), nth), ticker.C, &sent); err != nil && ctx.Err() == nil {
				r.t.Error(err)
				return
			}
		}
	})
	return func() (int64, time.Duration) {
		stop()
		wg.Wait()
		return sent.Load(), time.Since(begun)
	}
}

const block = 200 // orders that are sent at once

// send imports a file, a block at each tick.
func (r *rig) send(ctx context.Context, f *orderfile.File, tick <-chan time.Time, sent *atomic.Int64) error {
	run, err := r.stew.StartImport(ctx, client.ImportDraft{Source: "order-file", FileName: f.Name, Digest: f.Digest, Mapping: f.Mapping.Described(), Rows: int64(len(f.Rows))})
	if err != nil {
		return err
	}
	for next := int64(1); next <= int64(len(f.Rows)); next += block {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		last := min(next+block-1, int64(len(f.Rows)))
		if _, err := r.stew.SendRows(ctx, run.Run, upload.Rows(f, next, last)); err != nil {
			return err
		}
		sent.Add(last - next + 1)
	}
	_, err = r.stew.FinishImport(ctx, run.Run)
	return err
}
