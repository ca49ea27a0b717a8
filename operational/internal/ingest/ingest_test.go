package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/imports"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func TestEachRecordOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	sink := s.sink(t, s.options, 0)
	a, b := order("1", "ada", begin, 1177), order("2", "ada", begin, 1177)
	clash := order("1", "ada", begin, 9999)
	if next := s.apply(t, sink, 0, messages(t, 0, 0, a, b, a, clash)); next != 4 {
		t.Errorf("goes on at %d, want 4", next)
	}
	got := s.balance(t)
	if got.Stored != 2 || got.Counts.Duplicate != 1 || got.Counts.Quarantined != 1 {
		t.Errorf("the account is %+v, want 2 stored, 1 duplicate, 1 quarantined", got)
	}
	w := s.warehouse(t)
	if !strings.Contains(w, `"orders": {"$numberLong":"2"},"revenueMinor": {"$numberLong":"2354"}`) || !strings.Contains(w, `"identical": {"$numberLong":"1"}`) {
		t.Errorf("the customer's day is not two identical orders of 23.54 together:\n%s", w)
	}
	// The same batch again, as after a lost answer to the commit: the fence says where to go on.
	if next := s.apply(t, sink, 0, messages(t, 0, 0, a, b, a, clash)); next != 4 {
		t.Errorf("after a repeated batch it goes on at %d, want 4", next)
	}
	if w2 := s.warehouse(t); w2 != w {
		t.Errorf("the repeated batch changed the warehouse:\n%s", cmp.Diff(w, w2))
	}
}

// TestTwoOwners lets two processes believe at once that they own a partition, as happens while a group is rebalanced.
func TestTwoOwners(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const records, owners = 400, 2
	var log []bus.Message
	for i := range records {
		log = append(log, message(t, 0, int64(i), order(fmt.Sprint(i), fmt.Sprint("user", i%7), begin.Add(time.Duration(i)*time.Hour), int64(i))))
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var all sync.WaitGroup
	errs := make(chan error, owners)
	seeks := make([]int, owners)
	for o := range owners {
		sink := s.sink(t, s.options, 0)
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(o)))
			for at := int64(0); at < records; {
				end := min(at+1+r.Int64N(20), records)
				next, err := sink.Apply(context.Background(), contract.TopicEvents, 0, log[at:end])
				if err != nil {
					errs <- err
					return
				}
				if next != end {
					seeks[o]++
				}
				at = next
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	if b := s.balance(t); b.Stored != records || b.Next != records || b.Counts != (ingest.Counts{}) {
		t.Errorf("the account is %+v, want every record stored once and nothing else", b)
	}
	if seeks[0]+seeks[1] == 0 {
		t.Error("the owners never met: the test shows nothing")
	}
}

func TestHole(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	sink := s.sink(t, s.options, 3)
	s.apply(t, sink, 3, messages(t, 3, 0, order("1", "ada", begin, 1)))
	gap := bus.Gap{Topic: contract.TopicEvents, Partition: 3, From: 1, To: 11}
	for range 2 { // once, and again after a lost answer
		if err := sink.Gap(context.Background(), gap); err != nil {
			t.Fatal(err)
		}
	}
	s.apply(t, sink, 3, messages(t, 3, 11, order("12", "ada", begin, 1)))
	b := s.balance(t)
	if b.Stored != 2 || b.Counts.Lost != 10 || b.Next != 12 {
		t.Errorf("the account is %+v, want 2 stored and 10 lost of 12", b)
	}
	if want := []ingest.Hole{{From: 1, To: 11, At: begin}}; !cmp.Equal(b.Holes, want) {
		t.Errorf("the holes are %v, want %v", b.Holes, want)
	}
	// Records behind a fence that stands before them are not skipped: reading goes back to it.
	if next := s.apply(t, sink, 3, messages(t, 3, 20, order("20", "ada", begin, 1))); next != 12 {
		t.Errorf("a batch behind the fence goes on at %d, want 12", next)
	}
}

func TestChangedLog(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := context.Background()
	sink := s.sink(t, s.options, 0)
	e := order("1", "ada", begin, 1)
	s.apply(t, sink, 0, messages(t, 0, 0, e, order("2", "ada", begin, 1)))

	for name, try := range map[string]func() error{
		"another cluster": func() error {
			_, err := sink.Position(ctx, contract.TopicEvents, bus.PartitionState{Partition: 0, End: 5}, "cluster-2")
			return err
		},
		"a shorter log": func() error {
			_, err := sink.Position(ctx, contract.TopicEvents, bus.PartitionState{Partition: 0, End: 1}, "cluster-1")
			return err
		},
		"replaced while reading": func() error { return sink.Gap(ctx, bus.Gap{Partition: 0, From: 2, To: 0}) },
	} {
		err := try()
		if fault.CodeOf(err) != fault.LogChanged || !strings.Contains(err.Error(), "strata setup --accept-new-log") {
			t.Errorf("%s: %v, want log_changed with the remedy", name, err)
		}
		if sink.Ready() == nil {
			t.Errorf("%s: ingest is ready", name)
		}
	}

	if _, err := s.fences.Begin(ctx, "cluster-2"); err != nil {
		t.Fatal(err)
	}
	next, err := sink.Position(ctx, contract.TopicEvents, bus.PartitionState{Partition: 0, End: 5}, "cluster-2")
	if err != nil || next != 0 || sink.Ready() != nil {
		t.Fatalf("the accepted log begins at %d, %v, ready %v; want 0 and ready", next, err, sink.Ready())
	}
	s.apply(t, sink, 0, messages(t, 0, 0, e, order("3", "ada", begin, 1)))
	if b := s.balance(t); b.Stored != 3 || b.Counts.Duplicate != 1 {
		t.Errorf("the account is %+v, want 3 stored over both epochs and the replayed one a duplicate", b)
	}
}

// A partition that went to another process while it stood still does not keep this one unready: nobody would ever tell it.
func TestIdleOnlyWhileAssigned(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	sink := s.sink(t, s.options, 0)
	for name, try := range map[string]func(context.Context) error{
		"another cluster": func(ctx context.Context) error {
			_, err := sink.Position(ctx, contract.TopicEvents, bus.PartitionState{Partition: 0, End: 5}, "cluster-2")
			return err
		},
		"replaced while reading": func(ctx context.Context) error { return sink.Gap(ctx, bus.Gap{Partition: 0, From: 2, To: 0}) },
	} {
		assigned, end := context.WithCancel(t.Context())
		if err := try(assigned); err == nil || sink.Ready() == nil {
			t.Errorf("%s: %v, ready %v; want it idle", name, err, sink.Ready())
		}
		if end(); sink.Ready() != nil {
			t.Errorf("%s, and assigned to another process: %v, want ready", name, sink.Ready())
		}
	}
}

func TestPoison(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	o := s.options
	var calls int
	o.Lake = failing{s.lake, func(events []lake.Event) error {
		calls++
		if slices.ContainsFunc(events, func(e lake.Event) bool { return e.ID == "5" }) {
			return fault.New(fault.Invalid, fault.TooLarge, "it cannot be stored")
		}
		return nil
	}}
	sink := s.sink(t, o, 0)
	var batch []bus.Message
	for i := range 10 {
		batch = append(batch, message(t, 0, int64(i), order(fmt.Sprint(i), "ada", begin, 1)))
	}
	batch[2].Value = []byte("{")
	wrong := order("7", "ada", begin, 1)
	wrong.Parameters[contract.ParamOrderItems] = mustJSON("two")
	batch[7] = message(t, 0, 7, wrong)
	unnamed := order("8", "ada", begin, 1)
	unnamed.Parameters["$where"] = mustJSON(1)
	batch[8] = message(t, 0, 8, unnamed)
	if next := s.apply(t, sink, 0, batch); next != 10 {
		t.Errorf("goes on at %d, want 10", next)
	}
	if b := s.balance(t); b.Stored != 6 || b.Counts.Quarantined != 4 {
		t.Errorf("the account is %+v, want 6 stored and 4 quarantined", b)
	}
	if n := s.count(t, "quarantine"); n != 4 {
		t.Errorf("%d records are set aside, want 4", n)
	}
	if calls < 2 {
		t.Error("the batch was never split: the test shows nothing")
	}
}

func TestTransient(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	o := s.options
	fails := 1
	o.Lake = failing{s.lake, func([]lake.Event) error {
		if fails > 0 {
			fails--
			return errBoom
		}
		return nil
	}}
	sink := s.sink(t, o, 0)
	batch := messages(t, 0, 0, order("1", "ada", begin, 1))
	if _, err := sink.Apply(context.Background(), contract.TopicEvents, 0, batch); err == nil {
		t.Fatal("a failure of the store passed as success")
	}
	if b := s.balance(t); b.Next != 0 || s.count(t, "quarantine") != 0 {
		t.Errorf("after a failure the account is %+v, want nothing taken and nothing set aside", b)
	}
	s.apply(t, sink, 0, batch)
	if b := s.balance(t); b.Stored != 1 {
		t.Errorf("the account is %+v, want the record stored at the second try", b)
	}
}

func TestWhatIsNotKept(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	forget := erasure.Erasure{Tenant: tenant, ID: "e-1", RequestedAt: begin}
	if _, err := mongostore.NewErasures(s.db, keys, s.options.Now).Begin(context.Background(), forget, keys.Customer(identity.User, "erased")); err != nil {
		t.Fatal(err)
	}
	early, late := order("2", "ada", begin, 1), order("3", "ada", begin, 1)
	early.ReceivedAt, late.ReceivedAt = begin.Add(-time.Millisecond), begin.Add(24*time.Hour)
	sink := s.sink(t, s.options, 0)
	alias := order("5", "new-name", begin, 1)
	alias.PreviousID = "erased"
	s.apply(t, sink, 0, messages(t, 0, 0, order("1", "erased", begin, 1), early, late, order("4", "ada", begin, 1), alias))
	if b := s.balance(t); b.Stored != 1 || b.Counts.Suppressed != 2 || b.Counts.NotInForce != 2 {
		t.Errorf("the account is %+v, want 1 stored, 2 suppressed, 2 not in force", b)
	}
	if w := s.warehouse(t); strings.Contains(w, string(keys.Customer(identity.User, "erased"))) {
		t.Errorf("an erased customer is in the warehouse:\n%s", w)
	}
}

// TestUnreadableOfTheErased: a record that cannot be read is not set aside if anything in it, or its key in the log, names a
// customer who was erased.
func TestUnreadableOfTheErased(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	erased := keys.Customer(identity.User, "erased")
	forget := erasure.Erasure{Tenant: tenant, ID: "e-1", RequestedAt: begin}
	if _, err := mongostore.NewErasures(s.db, keys, s.options.Now).Begin(context.Background(), forget, erased); err != nil {
		t.Fatal(err)
	}
	batch := messages(t, 0, 0, order("1", "ada", begin, 1), order("2", "ada", begin, 1), order("3", "ada", begin, 1), order("4", "ada", begin, 1))
	batch[0].Value = []byte(`{"userId":"erased","customerKey":"` + batch[0].Key + `"}`)
	batch[1].Value = []byte(`{"userId":"erased","time":`)
	batch[2].Value, batch[2].Key = []byte(`{}`), string(erased)
	batch[3].Value = []byte(`{"userId":"somebody"`)
	s.apply(t, s.sink(t, s.options, 0), 0, batch)
	if b := s.balance(t); b.Counts.Suppressed != 3 || b.Counts.Quarantined != 1 || s.count(t, "quarantine") != 1 {
		t.Errorf("the account is %+v, want 3 suppressed and 1 set aside", b)
	}
}

// TestRowsCountOnce publishes rows of a file twice, as a repeated request does: every row has one outcome.
func TestRowsCountOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	sink := s.sink(t, s.options, 0)
	row := func(n int64, e contract.CustomerEvent) contract.CustomerEvent {
		e.Import = &contract.ImportRow{Run: "run-1", Row: n}
		return e
	}
	a := row(1, order("a", "ada", begin, 0))
	twin := row(2, order("b", "ada", begin, 0))   // identical but for its id: a real order
	double := row(3, order("a", "ada", begin, 0)) // the same id in another row: a duplicate
	clash := row(4, order("a", "ada", begin, 77)) // other content under the same id
	s.apply(t, sink, 0, messages(t, 0, 0, a, twin, double, clash))
	s.apply(t, sink, 0, messages(t, 0, 4, a, double, clash, twin, a))
	got, err := s.imports.Outcomes(context.Background(), tenant, "run-1")
	if err != nil {
		t.Fatal(err)
	}
	want := imports.Outcomes{Stored: 2, Duplicate: 1, Quarantined: 1, Zero: 2, Identical: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
	s.balance(t)
}

// TestUnreadableRowsAreCounted: a row whose record cannot be taken in is quarantined in its file's statement, too, once however
// often it comes; a record of another tenant is nobody's row.
func TestUnreadableRowsAreCounted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var batch []bus.Message
	for n := range 6 {
		e := order(fmt.Sprint(n), "ada", begin, 1)
		e.Import = &contract.ImportRow{Run: "run-1", Row: int64(n) + 1}
		batch = append(batch, message(t, 0, int64(n), e))
	}
	spoil := func(i int, from, to string) {
		t.Helper()
		spoilt := strings.Replace(string(batch[i].Value), from, to, 1)
		if spoilt == string(batch[i].Value) {
			t.Fatalf("%s is not in %s", from, spoilt)
		}
		batch[i].Value = []byte(spoilt)
	}
	spoil(1, `"source":"shop"`, `"source":7`)               // of another type
	spoil(2, `"source":"shop"`, `"source":""`)              // not what was agreed
	spoil(3, `"parameters":{`, `"parameters":{"$where":1,`) // a parameter whose name is none
	spoil(4, `{`, `[`)                                      // no JSON: nobody knows whose row it was
	for i, h := range batch[5].Headers {
		if h.Key == "ce_tenant" {
			batch[5].Headers[i].Value = []byte("other")
		}
	}
	batch = append(batch, batch[1])
	batch[6].Offset = 6
	s.apply(t, s.sink(t, s.options, 0), 0, batch)
	got, err := s.imports.Outcomes(context.Background(), tenant, "run-1")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(imports.Outcomes{Stored: 1, Quarantined: 3, Amount: 1}, got); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
	if b := s.balance(t); b.Stored != 1 || b.Counts.Quarantined != 6 {
		t.Errorf("the account is %+v", b)
	}
}

// TestOrderOfArrival is the property that no result depends on the order of arrival: history that comes shuffled, late,
// repeated and in other batches ends in the same warehouse, byte for byte.
func TestOrderOfArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(anEvent), 1, 25).Draw(r, "events")
		for i := range events {
			events[i].ID = fmt.Sprint(i)
			events[i].Content = keys.Content([]byte(events[i].ID))
		}
		straight := run(t, events, func(n int) int { return n })
		repeated := append(slices.Clone(events), rapid.SliceOfN(rapid.SampledFrom(events), 0, 5).Draw(r, "repeated")...)
		shuffled := rapid.Permutation(repeated).Draw(r, "arrival")
		other := run(t, shuffled, func(n int) int { return rapid.IntRange(1, n).Draw(r, "batch") })
		if straight != other {
			r.Fatalf("another order of arrival made another warehouse:\n%s", cmp.Diff(strings.Split(straight, "\n"), strings.Split(other, "\n")))
		}
	})
}

// run ingests events in batches of the given sizes and returns the warehouse.
func run(t *testing.T, events []contract.CustomerEvent, size func(left int) int) string {
	s := newStage(t)
	sink := s.sink(t, s.options, 0)
	for at := 0; at < len(events); {
		n := size(len(events) - at)
		s.apply(t, sink, 0, messages(t, 0, int64(at), events[at:at+n]...))
		at += n
	}
	s.balance(t)
	return s.warehouse(t)
}

func anEvent(r *rapid.T) contract.CustomerEvent {
	at := begin.Add(time.Duration(rapid.IntRange(0, 5).Draw(r, "quarter days")) * 6 * time.Hour)
	user := rapid.SampledFrom([]string{"ada", "bob", "cy"}).Draw(r, "user")
	e := order("", user, at, rapid.Int64Range(0, 2).Draw(r, "minor"))
	switch rapid.IntRange(0, 3).Draw(r, "kind") {
	case 0: // a trait
		e.Call, e.Event = "identify", ""
		e.Parameters = map[contract.ParameterName]jsonValue{"email": mustJSON(rapid.SampledFrom([]string{"x@y", "z@y"}).Draw(r, "email"))}
		e.AnonymousID = rapid.SampledFrom([]string{"", "cookie-1", "cookie-2"}).Draw(r, "cookie")
	case 1: // an answer
		e.Event = "Survey Answered"
		e.Parameters = map[contract.ParameterName]jsonValue{contract.ParamNPS: mustJSON(rapid.IntRange(0, 10).Draw(r, "score"))}
	}
	return e
}

// TestLiveEventsAreTalliedOnce: of how late facts come, what is new and no row of a file tells, once.
func TestLiveEventsAreTalliedOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var told []string
	s.options.Arrived = func(e *lake.Event) { told = append(told, e.ID) }
	sink := s.sink(t, s.options, 0)
	row := order("c", "u3", begin, 100)
	row.Import = &contract.ImportRow{Run: "run-1", Row: 1}
	s.apply(t, sink, 0, messages(t, 0, 0, order("a", "u1", begin, 100), order("b", "u2", begin, 100), row))
	s.apply(t, sink, 0, messages(t, 0, 3, order("a", "u1", begin, 100), order("d", "u1", begin, 100)))
	if d := cmp.Diff([]string{"a", "b", "d"}, told); d != "" {
		t.Error(d)
	}
}
