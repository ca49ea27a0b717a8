package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/insight"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/telemetry"
)

// TestEvaluatorsAgree: whatever is defined and however its events arrive (late, twice, out of order, of people with
// several identities, of people who were erased before or in between), three ways to one number agree with looking at the
// events one by one: incremental, over the rows that ingest keeps; batch, over what the lake holds; and sampled, customer by
// customer in their random order, of whom here all are read. That a part of them comes as near as it says, see TestSampled.
func TestEvaluatorsAgree(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	plain, linked := mongotest.Open(t, CollectIndexes()...), mongotest.Open(t, CollectIndexes()...)
	var run atomic.Int64
	near := gocmp.Options{cmpopts.EquateApprox(1e-12, 1e-9), cmpopts.EquateEmpty()}
	rapid.Check(t, func(t *rapid.T) {
		n := run.Add(1)
		db := rapid.SampledFrom([]*mongodb.DB{plain, linked}).Draw(t, "database")
		e := newEvents(t, db, contract.TenantID(fmt.Sprintf("e%d", n)), int(n)*partitions, zone, db == linked)
		e.arrive(t)
		if err := e.store.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		world, batch, sampled := e.world(t), e.batch(t), e.sampled(t)
		cal := metric.Calendar{WeekStart: time.Weekday(rapid.IntRange(0, 6).Draw(t, "week start"))}
		for range 6 {
			c := drawComputation(t)
			at := cal.Of(c.Grain, drawDay(t))
			p, why := metric.Compile(&c, cal)
			if why != nil {
				t.Fatalf("%+v does not compile: %+v", c, why)
			}
			want := truth{world, cal, &c, at}.evaluate()
			incremental, err := p.Measure(t.Context(), e.store, at, btyd.Gates{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			for how, got := range map[string]*float64{"incremental": incremental.Value, "batch": valueOf(p, batch, at), "sampled": valueOf(p, sampled, at)} {
				if d := gocmp.Diff(want, got, near); d != "" {
					t.Fatalf("%+v over %+v (-truth +%s):\n%s", c, at, how, d)
				}
			}
		}
	})
}

// valueOf makes a program's value of what each customer contributes.
func valueOf(p *metric.Program, subjects []metric.Subject, at metric.Span) *float64 {
	shape := p.Shape()
	sums, numbers, different := make([]float64, shape.Width), []float64{}, map[any]bool{}
	for i := range subjects {
		if z, _, in := p.Contribution(&subjects[i], at); in {
			for j := range z {
				sums[j] += z[j]
			}
		}
		for _, v := range p.Values(&subjects[i], at) {
			different[v] = true
			if x, ok := v.(float64); ok {
				numbers = append(numbers, x)
			}
		}
	}
	switch n := float64(len(different)); {
	case shape.Form == metric.Percentile:
		return rank(numbers, shape.Level)
	case shape.Form == metric.Distinct && n > 0:
		return &n
	case shape.Form == metric.Distinct:
		return nil
	}
	if v, ok := p.Of(sums); ok {
		return &v
	}
	return nil
}

// partitions is how many partitions the events of a run are in.
const partitions = 2

var wallNoon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) // of the wall clock

// events is a history and the stores that it goes into.
type events struct {
	own    contract.TenantID
	db     *mongodb.DB
	store  *Metrics
	sink   *ingest.Sink
	keys   *identity.Keys
	zone   *time.Location
	first  int // partition
	all    []contract.CustomerEvent
	random *validity.Key
	next   [partitions]int64                 // offset
	kept   map[string]contract.CustomerEvent // of those that have arrived, by id
	erased map[identity.Key]bool
}

type alwaysInForce struct{}

func (alwaysInForce) Validity(_ context.Context, ids []contract.DirectiveID) (map[contract.DirectiveID]ingest.Validity, error) {
	out := map[contract.DirectiveID]ingest.Validity{}
	for _, id := range ids {
		out[id] = ingest.Validity{From: wallNoon.Add(-time.Hour), Until: wallNoon.Add(time.Hour)}
	}
	return out, nil
}

func newEvents(t *rapid.T, db *mongodb.DB, own contract.TenantID, first int, zone *time.Location, linked bool) *events {
	keys, err := identity.NewKeys(make([]byte, identity.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	e := &events{own: own, db: db, store: NewMetrics(own, db), keys: keys, zone: zone, first: first, kept: map[string]contract.CustomerEvent{}, erased: map[identity.Key]bool{}}
	if e.random, err = validity.NewKey(keys.Sample(), profile.Epoch); err != nil {
		t.Fatal(err)
	}
	l := NewLake(db)
	e.sink, err = ingest.New(ingest.Options{Tenant: own, Zone: zone, Keys: keys, Tx: db.Tx, Fences: NewFences(db), Lake: l, Warehouse: NewWarehouse(db, "EUR"),
		Quarantine: l, Suppression: l, Directives: alwaysInForce{}, Imports: NewImports(db), Now: func() time.Time { return wallNoon }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rapid.IntRange(0, 40).Draw(t, "events") {
		e.all = append(e.all, e.draw(t, i, linked))
	}
	return e
}

// draw draws an event: an order, an answer, traits, or, where identities may be linked, who is who.
func (e *events) draw(t *rapid.T, i int, linked bool) contract.CustomerEvent {
	hour := rapid.IntRange(0, 130*24-1).Draw(t, "hour")
	at := firstOfAll.Start(e.zone).Add(time.Duration(hour)*time.Hour + 31*time.Minute).UTC()
	name := rapid.SampledFrom([]string{"u0", "u1", "u2", "u3", "g0", "g1", "g2"}).Draw(t, "who")
	ev := contract.CustomerEvent{Source: "shop", ID: fmt.Sprintf("%03d", i), Call: "track", Time: at, ReceivedAt: wallNoon, Content: fmt.Sprint("content ", i), Format: "call",
		Asked: []contract.Asked{{Directive: "od-1", Revision: 1}}, Parameters: map[contract.ParameterName]json.RawMessage{}}
	if name[0] == 'g' {
		ev.AnonymousID, ev.CustomerKey = name, string(e.keys.Customer(identity.Anonymous, name))
	} else {
		ev.UserID, ev.CustomerKey = name, string(e.keys.Customer(identity.User, name))
	}
	kinds := []string{"order", "order", "order", "answer", "traits"}
	if linked {
		kinds = append(kinds, "link")
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	if kind == "link" {
		e.link(t, &ev)
		kind = "order" // so that it makes a difference whether it is kept
	}
	switch set := ev.Parameters; kind {
	case "order":
		set[contract.ParamOrderTime] = text(t, at)
		set[contract.ParamOrderAmount] = text(t, contract.Amount{Minor: rapid.Int64Range(0, 9999).Draw(t, "minor"), Currency: "EUR"})
		if rapid.Bool().Draw(t, "items") {
			set[contract.ParamOrderItems] = text(t, rapid.IntRange(1, 5).Draw(t, "quantity"))
		}
	case "answer":
		set[contract.ParamNPS] = text(t, rapid.IntRange(0, 10).Draw(t, "score"))
	case "traits":
		for name, v := range drawProfile(t) {
			set[contract.ParameterName(name)] = text(t, v)
		}
	}
	return ev
}

// link has an event say who else its customer is.
func (e *events) link(t *rapid.T, ev *contract.CustomerEvent) {
	switch {
	case ev.UserID == "":
	case rapid.Bool().Draw(t, "alias"):
		ev.PreviousID = rapid.SampledFrom([]string{"u2", "u3", "g0"}).Draw(t, "previous")
	default:
		ev.AnonymousID = rapid.SampledFrom([]string{"g0", "g1", "g2"}).Draw(t, "anonymous")
	}
}

func text(t *rapid.T, v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// arrive lets the events through ingest in an order of its own, some of them twice, a batch at a time; in between, what is
// kept is brought up to date, as it is while a suite runs, and some people are erased.
func (e *events) arrive(t *rapid.T) {
	order := slices.Clone(e.all)
	for range rapid.IntRange(0, 5).Draw(t, "repeats") {
		if len(e.all) > 0 {
			order = append(order, rapid.SampledFrom(e.all).Draw(t, "again"))
		}
	}
	order = rapid.Permutation(order).Draw(t, "order of arrival")
	for part := range partitions {
		if _, err := e.sink.Position(t.Context(), contract.TopicEvents, bus.PartitionState{Partition: e.first + part, End: 1 << 30}, "cluster-1"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "erasures") {
		n := rapid.IntRange(0, len(order)).Draw(t, "until")
		e.ingest(t, order[:n])
		e.erase(t, i)
		order = order[n:]
	}
	e.ingest(t, order)
}

func (e *events) ingest(t *rapid.T, order []contract.CustomerEvent) {
	logs := make([][]bus.Message, partitions)
	for i := range order {
		part := int(order[i].CustomerKey[0]) % partitions
		m, err := contract.Encode(contract.TopicEvents, order[i].CustomerKey, contract.Envelope{ID: contract.NewID(), Source: contract.Operational,
			Type: contract.TypeCustomerEvent, Time: order[i].Time, Tenant: e.own}, &order[i])
		if err != nil {
			t.Fatal(err)
		}
		m.Partition, m.Offset = e.first+part, e.next[part]
		e.next[part]++
		logs[part] = append(logs[part], m)
		if !slices.ContainsFunc(e.named(&order[i]), func(k identity.Key) bool { return e.erased[k] }) {
			e.kept[order[i].ID] = order[i]
		}
	}
	size := rapid.IntRange(1, 20).Draw(t, "batch")
	for part, log := range logs {
		for batch := range slices.Chunk(log, size) {
			if _, err := e.sink.Apply(t.Context(), contract.TopicEvents, e.first+part, batch); err != nil {
				t.Fatal(err)
			}
			if err := e.store.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// named is whom an event names.
func (e *events) named(ev *contract.CustomerEvent) []identity.Key {
	keys := []identity.Key{identity.Key(ev.CustomerKey)}
	if ev.UserID != "" && ev.AnonymousID != "" {
		keys = append(keys, e.keys.Customer(identity.Anonymous, ev.AnonymousID))
	}
	if ev.PreviousID != "" {
		keys = append(keys, e.keys.Customer(identity.User, ev.PreviousID), e.keys.Customer(identity.Anonymous, ev.PreviousID))
	}
	return keys
}

// erase erases somebody, with all identities that what has arrived connects with the one that is named.
func (e *events) erase(t *rapid.T, nth int) {
	if len(e.all) == 0 {
		return
	}
	key := identity.Key(rapid.SampledFrom(e.all).Draw(t, "erased").CustomerKey)
	e.erased[key] = true
	for more := true; more; {
		more = false
		for _, ev := range e.kept {
			if named := e.named(&ev); slices.ContainsFunc(named, func(k identity.Key) bool { return e.erased[k] }) {
				for _, k := range named {
					more = more || !e.erased[k]
					e.erased[k] = true
				}
			}
		}
	}
	maps.DeleteFunc(e.kept, func(_ string, ev contract.CustomerEvent) bool { return e.erased[identity.Key(ev.CustomerKey)] })
	store := NewErasures(e.db, e.keys, func() time.Time { return wallNoon })
	asked := erasure.Erasure{Tenant: e.own, ID: fmt.Sprint("e-", nth), RequestedAt: wallNoon}
	if _, err := store.Begin(t.Context(), asked, key); err != nil {
		t.Fatal(err)
	}
	worker, err := erasure.NewWorker(erasure.Options{Tenant: e.own, Store: store, Waiting: store, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Gauges: &telemetry.Gauges{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// world is what the events say, taken one by one.
func (e *events) world(t *rapid.T) oracle {
	o, latest, person := oracle{profiles: map[string]row{}}, map[string]string{}, e.people()
	for _, id := range sorted(e.kept) {
		ev := e.kept[id]
		who, day := person[ev.CustomerKey], contract.Day(ev.Time.In(e.zone).Format(time.DateOnly))
		_, isOrder := ev.Parameters[contract.ParamOrderTime]
		if isOrder {
			e.order(t, &o, who, day, ev.Parameters)
		}
		if o.profiles[who] == nil {
			o.profiles[who] = row{}
		}
		for name, raw := range ev.Parameters {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatal(err)
			}
			if score, ok := v.(float64); ok && name == contract.ParamNPS {
				o.answers = append(o.answers, answerDoc(ev.ID, who, day, score))
			}
			if stamp := ev.Time.Format(time.RFC3339) + ev.ID; !isOrder && stamp > latest[who+string(name)] {
				o.profiles[who][string(name)], latest[who+string(name)] = v, stamp
			}
		}
	}
	return o
}

func (e *events) order(t *rapid.T, o *oracle, who string, day contract.Day, p map[contract.ParameterName]json.RawMessage) {
	var a contract.Amount
	if err := json.Unmarshal(p[contract.ParamOrderAmount], &a); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(o.days, func(d dayDoc) bool { return string(d.Customer) == who && d.Day == day })
	if i < 0 {
		o.days, i = append(o.days, dayDoc{Customer: identity.Key(who), Day: day}), len(o.days)
	}
	d := &o.days[i]
	d.Orders, d.Revenue = d.Orders+1, d.Revenue+a.Minor
	if a.Minor == 0 {
		d.Zero++
	}
	if raw, ok := p[contract.ParamOrderItems]; ok {
		var n int64
		if err := json.Unmarshal(raw, &n); err != nil {
			t.Fatal(err)
		}
		d.Units += n
	}
}

// people tells who each key is: a name for everybody, spread along the links until nothing changes.
func (e *events) people() map[string]string {
	person := map[string]string{}
	for _, ev := range e.kept {
		person[ev.CustomerKey] = ev.CustomerKey
	}
	for range 20 {
		for _, ev := range e.kept {
			for _, k := range e.named(&ev) {
				o := string(k)
				if person[o] == "" {
					person[o] = o
				}
				smaller := min(person[o], person[ev.CustomerKey])
				person[o], person[ev.CustomerKey] = smaller, smaller
			}
		}
	}
	return person
}

// batch computes every subject again from what the lake holds.
func (e *events) batch(t *rapid.T) []metric.Subject {
	var docs []eventDoc
	if err := all(t.Context(), e.db.Collection(lakeCollection), bson.D{{Key: "tenant", Value: e.own}}, &docs); err != nil {
		t.Fatal(err)
	}
	var links []identity.Link
	var orders []fact.Fact
	answers, profiles := map[identity.Key][]metric.SubjectAnswer{}, map[identity.Key]*profile.Profile{}
	for i := range docs {
		ev := e.read(t, &docs[i])
		links = append(links, identity.Of(e.keys, &ev.CustomerEvent)...)
		f, ok, err := fact.Of(ev, e.zone)
		if err != nil {
			t.Fatal(err)
		}
		key := identity.Key(ev.CustomerKey)
		if profiles[key] == nil {
			profiles[key] = &profile.Profile{Key: key}
		}
		profiles[key].Apply(ev, !ok || f.Kind != fact.Order)
		switch {
		case ok && f.Kind == fact.Order:
			orders = append(orders, f)
		case ok:
			answers[key] = append(answers[key], metric.SubjectAnswer{Day: f.Day, Score: *f.Score})
		}
	}
	rows, _ := fact.Rows(e.own, nil, orders)
	return together(metric.PersonsOf(links), rows, answers, profiles)
}

// sampled reads every customer by their random order, as insights do.
func (e *events) sampled(t *rapid.T) []metric.Subject {
	w, err := NewCustomers(e.own, e.db, e.random).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []metric.Subject
	for last := false; !last; {
		var some []insight.Customer
		if some, last, err = w.Next(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		for i := range some {
			out = append(out, *some[i].Subject())
		}
	}
	if int64(len(out)) != w.Size() {
		t.Fatalf("%d customers were read, and there are %d", len(out), w.Size())
	}
	return out
}

func (e *events) read(t *rapid.T, d *eventDoc) *lake.Event {
	ev := &lake.Event{Tenant: d.Tenant, CustomerEvent: contract.CustomerEvent{Source: d.Source, ID: d.Event, CustomerKey: d.Customer, UserID: d.User, AnonymousID: d.Anonymous,
		PreviousID: d.Previous, Time: d.At.UTC(), ReceivedAt: d.ReceivedAt, Parameters: map[contract.ParameterName]json.RawMessage{}}}
	for _, p := range d.Parameters {
		raw, err := toJSON(p.Value)
		if err != nil {
			t.Fatal(err)
		}
		ev.Parameters[contract.ParameterName(p.Key)] = raw
	}
	return ev
}

// together makes subjects of what each identity did and is known by.
func together(persons metric.Persons, rows []fact.CustomerDay, answers map[identity.Key][]metric.SubjectAnswer, profiles map[identity.Key]*profile.Profile) []metric.Subject {
	days, said, known := map[identity.Key][]fact.CustomerDay{}, map[identity.Key][]metric.SubjectAnswer{}, map[identity.Key]map[contract.ParameterName][]metric.Known{}
	for _, r := range rows {
		days[persons.Of(r.Customer)] = append(days[persons.Of(r.Customer)], r)
	}
	for k, a := range answers {
		said[persons.Of(k)] = append(said[persons.Of(k)], a...)
	}
	for k, p := range profiles {
		who := persons.Of(k)
		if known[who] == nil {
			known[who] = map[contract.ParameterName][]metric.Known{}
		}
		for name, v := range p.Values {
			known[who][name] = append(known[who][name], metric.Known{Value: v.Value, At: v.At, Source: v.Source, Event: v.Event})
		}
	}
	var out []metric.Subject
	for _, who := range slices.Sorted(maps.Keys(known)) {
		p := map[contract.ParameterName]json.RawMessage{}
		for name, vs := range known[who] {
			p[name] = metric.Latest(vs)
		}
		out = append(out, metric.Merge(who, days[who], said[who], p))
	}
	return out
}
