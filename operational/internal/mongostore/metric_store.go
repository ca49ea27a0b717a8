package mongostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Metrics implements metric.Warehouse by aggregation pipelines.
type Metrics struct {
	tenant contract.TenantID
	db     *mongodb.DB
	few    int // see fewLinked
	kept   *kept
}

var (
	_ metric.Warehouse  = (*Metrics)(nil)
	_ fitting.Histories = (*Metrics)(nil)
)

// NewMetrics returns the warehouse of the database as the metric engine asks it.
func NewMetrics(t contract.TenantID, db *mongodb.DB) *Metrics {
	return &Metrics{t, db, fewLinked, newKept(t, db)}
}

// FirstDay implements metric.Warehouse.
func (s *Metrics) FirstDay(ctx context.Context) (contract.Day, error) {
	var d struct {
		Day contract.Day `bson:"day"`
	}
	err := s.db.Collection(rowsCollection).FindOne(ctx, bson.D{{Key: "tenant", Value: s.tenant}},
		options.FindOne().SetSort(bson.D{{Key: "tenant", Value: 1}, {Key: "day", Value: 1}}).SetProjection(bson.D{{Key: "day", Value: 1}})).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return s.firstAnswer(ctx)
	}
	return d.Day, mongodb.Fault(err)
}

// firstAnswer is the first day of a company that has answers and no orders.
func (s *Metrics) firstAnswer(ctx context.Context) (contract.Day, error) {
	var d struct {
		Day contract.Day `bson:"day"`
	}
	err := s.db.Collection(factsCollection).FindOne(ctx, bson.D{{Key: "tenant", Value: s.tenant}, {Key: "kind", Value: "answer"}},
		options.FindOne().SetSort(bson.D{{Key: "tenant", Value: 1}, {Key: "day", Value: 1}})).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return "", nil
	}
	return d.Day, mongodb.Fault(err)
}

// Moments implements metric.Warehouse.
func (s *Metrics) Moments(ctx context.Context, q metric.Query) ([]metric.Group, error) {
	c, err := s.compiler(ctx)
	if err != nil {
		return nil, err
	}
	stages, err := c.moments(q)
	if err != nil {
		return nil, err
	}
	raws, err := s.run(ctx, collectionOf(q.Entity), stages, hint(q))
	if err != nil {
		return nil, err
	}
	var groups []metric.Group
	for _, raw := range raws {
		g, err := group(raw, len(q.Measures), q.Spread)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 && q.By == "" {
		groups = []metric.Group{empty(len(q.Measures))}
	}
	slices.SortFunc(groups, func(a, b metric.Group) int { return cmp.Compare(a.Key, b.Key) })
	return groups, nil
}

func empty(n int) metric.Group {
	g := metric.Group{Sums: make([]float64, n), Products: make([][]float64, n)}
	for i := range g.Products {
		g.Products[i] = make([]float64, n)
	}
	return g
}

func group(raw bson.Raw, n int, spread bool) (metric.Group, error) {
	g := empty(n)
	g.Key, _ = raw.Lookup("_id").StringValueOK()
	count, err := number(raw, "n")
	if err != nil {
		return g, err
	}
	having, err := number(raw, "having")
	if err != nil {
		return g, err
	}
	g.N, g.Having = int64(count), int64(having)
	for i := range n {
		if g.Sums[i], err = number(raw, z(i)); err != nil {
			return g, err
		}
		for j := 0; j <= i; j++ {
			v, err := number(raw, product(i, j))
			if err != nil {
				return g, err
			}
			g.Products[i][j], g.Products[j][i] = v, v
		}
	}
	if spread {
		g.Median, g.P90 = element(raw, "spread", 0), element(raw, "spread", 1)
	}
	return g, nil
}

func number(raw bson.Raw, name string) (float64, error) {
	if v, ok := raw.Lookup(name).AsFloat64OK(); ok {
		return v, nil
	}
	return 0, fmt.Errorf("the aggregation gave no number %s", name)
}

func element(raw bson.Raw, name string, i uint) *float64 {
	a, ok := raw.Lookup(name).ArrayOK()
	if !ok {
		return nil
	}
	v, err := a.IndexErr(i)
	if err != nil {
		return nil
	}
	if f, ok := v.AsFloat64OK(); ok {
		return &f
	}
	return nil
}

// wholeScan makes the database read all rows as they lie: a history needs most of them, and looking each up in the index
// by day costs several times as much.
var wholeScan = bson.D{{Key: "$natural", Value: 1}}

func hint(q metric.Query) *options.AggregateOptionsBuilder {
	if asItLies(q) {
		return options.Aggregate().SetHint(wholeScan)
	}
	return options.Aggregate()
}

// asItLies reports whether a query needs most rows of its collection.
func asItLies(q metric.Query) bool {
	return q.Entity == contract.Customer || q.Entity == contract.CustomerDay && needsPast(q)
}

// scanWithin is how long one query may take that reads all rows there are; the client's own limit is meant for those that
// read a few.
const scanWithin = 15 * time.Minute

func (s *Metrics) run(ctx context.Context, collection string, stages []stage, o ...options.Lister[options.AggregateOptions]) ([]bson.Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, scanWithin)
	defer cancel()
	cur, err := s.db.Collection(collection).Aggregate(ctx, stages, o...)
	if err != nil {
		return nil, fmt.Errorf("aggregate %s: %w", collection, mongodb.Fault(err))
	}
	var out []bson.Raw
	if err := cur.All(ctx, &out); err != nil {
		return nil, fmt.Errorf("aggregate %s: %w", collection, mongodb.Fault(err))
	}
	return out, nil
}

// Order implements metric.Warehouse.
func (s *Metrics) Order(ctx context.Context, q metric.Order) (metric.Statistic, error) {
	var out metric.Statistic
	c, err := s.compiler(ctx)
	if err != nil {
		return out, err
	}
	stages, err := c.ordered(q)
	if err != nil {
		return out, err
	}
	raws, err := s.run(ctx, collectionOf(q.Entity), stages, hint(q.Query))
	if err != nil || len(raws) == 0 {
		return out, err
	}
	return statistic(raws[0], q.Distinct)
}

// statistic reads what [compiler.ordered] gives.
func statistic(raw bson.Raw, distinct bool) (metric.Statistic, error) {
	var out metric.Statistic
	counts := map[string]*int64{"n": &out.Rows, "customers": &out.Customers, "squares": &out.Squares}
	if distinct {
		counts["alone"] = &out.Alone
	}
	for name, to := range counts {
		n, err := number(raw, name)
		if err != nil {
			return metric.Statistic{}, err
		}
		*to = int64(n)
	}
	if v, ok := raw.Lookup("low").AsFloat64OK(); ok {
		out.Low = &v
	}
	if v, ok := raw.Lookup("high").AsFloat64OK(); ok {
		out.High = &v
	}
	v, err := number(raw, "v")
	out.Value = &v
	return out, err
}

// Summaries implements metric.Warehouse. A row is a purchase day; the mean spend is over the days after the first. Those of
// all customers are derived from the purchases that are kept; those in a scope from rows.
func (s *Metrics) Summaries(ctx context.Context, w metric.Span, scope *contract.Condition) ([]btyd.Summary, error) {
	if scope == nil {
		if out, ok, err := s.derived(ctx, w.Until); ok || err != nil {
			return out, err
		}
	}
	return s.scanned(ctx, w, scope)
}

// scanned makes summaries from rows.
func (s *Metrics) scanned(ctx context.Context, w metric.Span, scope *contract.Condition) ([]btyd.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, scanWithin)
	defer cancel()
	c, err := s.compiler(ctx)
	if err != nil {
		return nil, err
	}
	stages, err := c.summaries(metric.Query{Entity: contract.Customer, Window: w, Scope: scope}, w.Until)
	if err != nil {
		return nil, err
	}
	var out []btyd.Summary
	err = s.summed(ctx, stages, w.Until, func(sum btyd.Summary, _ bson.Raw) { out = append(out, sum) })
	return out, err
}

// Divided implements fitting.Histories.
func (s *Metrics) Divided(ctx context.Context, cut, end contract.Day, scope *contract.Condition) ([]btyd.Tested, error) {
	ctx, cancel := context.WithTimeout(ctx, scanWithin)
	defer cancel()
	c, err := s.compiler(ctx)
	if err != nil {
		return nil, err
	}
	stages, err := c.summaries(metric.Query{Entity: contract.Customer, Window: metric.Span{Until: cut}, Scope: scope}, end)
	if err != nil {
		return nil, err
	}
	var out []btyd.Tested
	err = s.summed(ctx, stages, cut, func(sum btyd.Summary, raw bson.Raw) {
		all, before := raw.Lookup("all").AsInt64(), raw.Lookup("days").AsInt64()
		out = append(out, btyd.Tested{Summary: sum, Later: float64(all - before)})
	})
	return out, err
}

// summed gives the summaries before a day, one after the other.
func (s *Metrics) summed(ctx context.Context, stages []stage, until contract.Day, take func(btyd.Summary, bson.Raw)) error {
	cur, err := s.db.Collection(rowsCollection).Aggregate(ctx, stages, options.Aggregate().SetBatchSize(summaryBatch).SetHint(wholeScan))
	if err != nil {
		return fmt.Errorf("summaries: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		sum, err := summary(cur.Current, until)
		if err != nil {
			return err
		}
		take(sum, cur.Current)
	}
	return mongodb.Fault(cur.Err())
}

// summaryBatch is how many customers come in one answer of the database; each takes some 80 bytes.
const summaryBatch = 10_000

func summary(raw bson.Raw, until contract.Day) (btyd.Summary, error) {
	first, err := numberOf(contract.Day(raw.Lookup("first").StringValue()))
	if err != nil {
		return btyd.Summary{}, err
	}
	last, err := numberOf(contract.Day(raw.Lookup("last").StringValue()))
	if err != nil {
		return btyd.Summary{}, err
	}
	end, err := numberOf(until)
	return summarised(first, last, end-1, raw.Lookup("days").AsInt64(), raw.Lookup("revenue").AsInt64()-raw.Lookup("firstRevenue").AsInt64()), err
}

// summarised is the summary of a customer with some purchase days, the first and the last of them, as of a day; later is what
// they spent on all but the first.
func summarised(first, last, asOf, days, later int64) btyd.Summary {
	s := btyd.Summary{X: float64(days - 1), Tx: float64(last-first) / 7, T: float64(asOf-first) / 7, Count: 1}
	if days > 1 {
		s.Spend = max(0, float64(later)/s.X)
	}
	return s
}

// Quality implements metric.Warehouse.
func (s *Metrics) Quality(ctx context.Context, w metric.Span) (metric.Quality, error) {
	if q, ok, err := s.rolled(ctx, w.From, w.Until); ok || err != nil {
		return q, err
	}
	return s.quality(ctx, w)
}

// quality counts over the rows of some days.
func (s *Metrics) quality(ctx context.Context, w metric.Span) (metric.Quality, error) {
	o := options.Aggregate()
	if w == everyDay {
		o.SetHint(wholeScan)
	}
	raws, err := s.run(ctx, rowsCollection, []stage{
		op("$match", doc{{Key: "tenant", Value: s.tenant}, {Key: "day", Value: between(w.From, w.Until)}}),
		op("$group", doc{
			{Key: "_id", Value: nil}, {Key: "orders", Value: op("$sum", "$orders")}, {Key: "withAmount", Value: op("$sum", "$withAmount")},
			{Key: "withItems", Value: op("$sum", "$withItems")}, {Key: "zeroOrders", Value: op("$sum", "$zeroOrders")}, {Key: "identical", Value: op("$sum", "$identical")},
		}),
	}, o)
	if err != nil || len(raws) == 0 {
		return metric.Quality{}, err
	}
	_, _, c, err := keptRow(raws[0])
	return c.quality(), err
}

func (c *counts) quality() metric.Quality {
	return metric.Quality{Orders: c[ofOrders], WithAmount: c[ofAmount], WithItems: c[ofItems], ZeroAmount: c[ofZero], Identical: c[ofIdentical]}
}
