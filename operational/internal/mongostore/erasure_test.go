package mongostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/telemetry"
)

// shop is ingest over the stores, for one customer after another.
type shop struct {
	t      *testing.T
	db     *mongodb.DB
	keys   *identity.Keys
	sink   *ingest.Sink
	store  *Erasures
	worker *erasure.Worker
	next   int64
}

// inForceForYears are directives that were in force long before and after.
type inForceForYears struct{}

func (inForceForYears) Validity(_ context.Context, ids []contract.DirectiveID) (map[contract.DirectiveID]ingest.Validity, error) {
	out := map[contract.DirectiveID]ingest.Validity{}
	for _, id := range ids {
		out[id] = ingest.Validity{From: wallNoon.AddDate(-5, 0, 0), Until: wallNoon.AddDate(5, 0, 0)}
	}
	return out, nil
}

func openShop(t *testing.T) *shop {
	t.Helper()
	keys, err := identity.NewKeys(make([]byte, identity.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	db := mongotest.Open(t, CollectIndexes()...)
	s := &shop{t: t, db: db, keys: keys, store: NewErasures(db, keys, func() time.Time { return wallNoon })}
	l := NewLake(db)
	s.sink, err = ingest.New(ingest.Options{Tenant: tenant, Keys: keys, Tx: db.Tx, Fences: NewFences(db), Lake: l, Warehouse: NewWarehouse(db, "EUR"),
		Quarantine: l, Suppression: l, Directives: inForceForYears{}, Imports: NewImports(db), Now: func() time.Time { return wallNoon }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sink.Position(t.Context(), contract.TopicEvents, bus.PartitionState{End: 1 << 30}, "cluster-1"); err != nil {
		t.Fatal(err)
	}
	s.worker = s.with(s.store)
	return s
}

func (s *shop) with(store erasure.Store) *erasure.Worker {
	s.t.Helper()
	w, err := erasure.NewWorker(erasure.Options{Tenant: tenant, Store: store, Waiting: s.store, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Gauges: &telemetry.Gauges{}})
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

func (s *shop) message(e contract.CustomerEvent) bus.Message {
	s.t.Helper()
	e.CustomerKey = string(s.keys.Customer(identity.User, e.UserID))
	if e.UserID == "" {
		e.CustomerKey = string(s.keys.Customer(identity.Anonymous, e.AnonymousID))
	}
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = wallNoon
	}
	e.Source, e.Format, e.Content = "shop", "call", e.ID
	e.Asked = []contract.Asked{{Directive: "od-1", Revision: 1}}
	m, err := contract.Encode(contract.TopicEvents, e.CustomerKey, contract.Envelope{ID: contract.NewID(), Source: contract.Operational,
		Type: contract.TypeCustomerEvent, Time: e.Time, Tenant: tenant}, &e)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// take lets messages through ingest in one batch.
func (s *shop) take(batch ...bus.Message) {
	s.t.Helper()
	for i := range batch {
		batch[i].Offset = s.next
		s.next++
	}
	if _, err := s.sink.Apply(s.t.Context(), contract.TopicEvents, 0, batch); err != nil {
		s.t.Fatal(err)
	}
}

func buys(id, user, anonymous string, day int) contract.CustomerEvent {
	at := time.Date(2025, 3, day, 10, 0, 0, 0, time.UTC)
	return contract.CustomerEvent{ID: id, Call: "track", Event: "Order Completed", UserID: user, AnonymousID: anonymous, Time: at,
		Parameters: map[contract.ParameterName]json.RawMessage{
			contract.ParamOrderTime: json.RawMessage(`"` + at.Format(time.RFC3339) + `"`), contract.ParamOrderAmount: json.RawMessage(`{"minor":1200,"currency":"EUR"}`)}}
}

func says(id, user, anonymous, previous string) contract.CustomerEvent {
	return contract.CustomerEvent{ID: id, Call: "identify", UserID: user, AnonymousID: anonymous, PreviousID: previous, Time: time.Date(2025, 3, 9, 0, 0, 0, 0, time.UTC),
		Parameters: map[contract.ParameterName]json.RawMessage{contract.ParamCustomerID: json.RawMessage(`"` + user + `"`), "email": json.RawMessage(`"` + user + `@example.org"`)}}
}

// history is a person who is known by four identifiers, and somebody else.
func (s *shop) history() []bus.Message {
	answer := buys("a-1", "ada-lovelace", "", 5)
	answer.Event, answer.Parameters = "Answered", map[contract.ParameterName]json.RawMessage{contract.ParamNPS: json.RawMessage("9")}
	return []bus.Message{
		s.message(buys("1", "ada-lovelace", "", 1)), s.message(buys("2", "", "browser-of-ada", 1)), s.message(says("3", "ada-lovelace", "browser-of-ada", "")),
		s.message(buys("4", "", "phone-of-ada", 2)), s.message(says("5", "ada-lovelace", "phone-of-ada", "")), s.message(says("6", "countess", "", "ada-lovelace")),
		s.message(buys("7", "countess", "", 3)), s.message(answer),
		s.message(buys("8", "charles", "engine-room", 1)), s.message(says("9", "charles", "engine-room", "")),
	}
}

// aside sets something of each of the two aside, and what cannot be read.
func (s *shop) aside() {
	s.t.Helper()
	var records []lake.Quarantined
	for i, user := range []string{"ada-lovelace", "charles"} {
		e := buys(fmt.Sprint("later ", i), user, "", 20)
		e.CustomerKey, e.Source = string(s.keys.Customer(identity.User, user)), "shop"
		raw := s.message(e).Value
		records = append(records, lake.Quarantined{ID: fmt.Sprint("in_future|", i), Tenant: tenant, Reason: fault.InFuture, At: wallNoon, Source: "shop", Event: &e},
			lake.Quarantined{ID: fmt.Sprint("poison|", i), Tenant: tenant, Reason: fault.Poison, At: wallNoon, Raw: raw[:len(raw)-1]})
	}
	if err := NewLake(s.db).SetAside(s.t.Context(), records); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) erase(kind identity.Kind, identifier string) erasure.Erasure {
	s.t.Helper()
	e, err := s.store.Begin(s.t.Context(), erasure.Erasure{Tenant: tenant, ID: contract.NewID(), By: "sam", RequestedAt: wallNoon}, s.keys.Customer(kind, identifier))
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *shop) proof(id string) erasure.Erasure {
	s.t.Helper()
	e, err := s.store.Get(s.t.Context(), tenant, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// everything is all documents of all collections, but for the list of whom nothing may be stored.
func (s *shop) everything() map[string]string {
	s.t.Helper()
	names, err := s.db.Database().ListCollectionNames(s.t.Context(), bson.D{})
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		var docs []bson.M
		if err := all(s.t.Context(), s.db.Collection(name), bson.D{}, &docs); err != nil {
			s.t.Fatal(err)
		}
		text := make([]string, len(docs))
		for i, d := range docs {
			for name, v := range d {
				if b, ok := v.(bson.Binary); ok {
					d[name] = string(b.Data)
				}
			}
			text[i] = fmt.Sprint(d)
		}
		slices.Sort(text)
		out[name] = strings.Join(text, "\n")
	}
	return out
}

// mentions returns the collections that name something.
func (s *shop) mentions(what ...string) (in []string) {
	s.t.Helper()
	for name, text := range s.everything() {
		if slices.ContainsFunc(what, func(w string) bool { return strings.Contains(text, w) }) {
			in = append(in, name)
		}
	}
	slices.Sort(in)
	return in
}

func (s *shop) ofAda() []string {
	names := []string{"ada-lovelace", "browser-of-ada", "phone-of-ada", "countess"}
	for _, n := range slices.Clone(names) {
		names = append(names, string(s.keys.Customer(identity.User, n)), string(s.keys.Customer(identity.Anonymous, n)))
	}
	return names
}

func (s *shop) balanced(suppressed, removed int64) {
	s.t.Helper()
	account, err := ingest.NewAccount(ingest.AccountOptions{Tx: s.db.Tx, Fences: NewFences(s.db), Lake: NewLake(s.db), Every: time.Hour, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider()})
	if err != nil {
		s.t.Fatal(err)
	}
	balances, err := account.Balances(s.t.Context())
	if err != nil || len(balances) != 1 {
		s.t.Fatalf("%+v, %v", balances, err)
	}
	if b := balances[0]; b.Unaccounted() != 0 || b.Counts.Suppressed != suppressed || b.Counts.Removed != removed {
		s.t.Errorf("the account is %+v, want %d suppressed, %d removed and nothing unaccounted for", b, suppressed, removed)
	}
}

// TestErasure: of a person with several identifiers nothing is left in any collection, whichever of them was named; others
// keep everything; replays, late events and other files bring nothing back; and the proof names nobody.
func TestErasure(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.take(s.history()...)
	s.aside()
	settle(t, s.db)
	s.keep()
	held := s.mentions(s.ofAda()...)
	if want := personal(); !slices.Equal(held, want) {
		t.Fatalf("before, the person is in %v, and what is emptied is %v", held, want)
	}
	s.held(5, map[string]int{quarantineCollection: 2, linksCollection: 4, personsCollection: 5, profilesCollection: 4, lakeCollection: 8, factsCollection: 5, rowsCollection: 4})
	e := s.erase(identity.Anonymous, "phone-of-ada")
	if again := s.erase(identity.Anonymous, "phone-of-ada"); again.ID != e.ID || e.Done() {
		t.Errorf("asked again, the receipt is %+v, not %+v", again, e)
	}
	if err := s.worker.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := s.erase(identity.User, "countess"); again.ID != e.ID || !again.Done() {
		t.Errorf("asked by another identifier, the receipt is %+v", again)
	}
	proof := s.proof(e.ID)
	// Alias calls name identifiers of both kinds.
	want := map[string]int64{quarantineCollection: 2, linksCollection: 4, personsCollection: 5, profilesCollection: 4, stirredCollection: 1, lakeCollection: 8, factsCollection: 5, rowsCollection: 4}
	if d := cmp.Diff(want, proof.Deleted); d != "" || !proof.Done() || proof.Identities != 5 || proof.By != "sam" {
		t.Errorf("the proof is %+v (-want +got of the counts):\n%s", proof, d)
	}
	s.after(e.ID)
	s.held(1, map[string]int{})
	replay := s.history()
	replay[0].Value = replay[1].Value // twice the same in a batch
	s.take(replay...)
	s.take(s.message(says("20", "somebody", "browser-of-ada", "")), s.message(buys("21", "ada-lovelace", "new-phone", 4)))
	s.balanced(10, 8)
	s.after(e.ID)
}

// held checks what is told to be held of the person: nothing of the other, and the notes of ingest not, which name both.
func (s *shop) held(identities int, want map[string]int) {
	s.t.Helper()
	n, docs, err := s.store.Held(s.t.Context(), tenant, s.keys.Customer(identity.User, "countess"))
	if err != nil {
		s.t.Fatal(err)
	}
	got := map[string]int{}
	for name, d := range docs {
		if len(d) > 0 {
			got[name] = len(d)
		}
	}
	if d := cmp.Diff(want, got); d != "" || n != identities || strings.Contains(fmt.Sprint(docs), "charles") {
		s.t.Errorf("of %d identities is held (-want +got):\n%s", n, d)
	}
}

// after checks that nothing of the person is left, and all of the other.
func (s *shop) after(erasureID string) {
	s.t.Helper()
	settle(s.t, s.db)
	s.keep()
	if in := s.mentions(s.ofAda()...); !slices.Equal(in, []string{suppressedCollection}) {
		s.t.Errorf("the person is still in %v", in)
	}
	if in := s.mentions("ada-lovelace", "browser-of-ada", "phone-of-ada", "countess"); in != nil {
		s.t.Errorf("identifiers are still in %v", in)
	}
	other := string(s.keys.Customer(identity.User, "charles"))
	if in := s.mentions(other); !slices.Equal(in, personal()) {
		s.t.Errorf("the other person is in %v", in)
	}
	if text := s.everything()[erasuresCollection]; strings.Contains(text, "keys") || !strings.Contains(text, erasureID) {
		s.t.Errorf("the proof is %s", text)
	}
}

func settle(t *testing.T, db *mongodb.DB) {
	t.Helper()
	if err := NewMetrics(tenant, db).Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// keep brings what is kept beside the rows up to date.
func (s *shop) keep() {
	s.t.Helper()
	if all, err := NewMetrics(tenant, s.db).Histories(s.t.Context(), "2025-12-31"); err != nil || len(all) == 0 {
		s.t.Fatalf("%d histories, %v", len(all), err)
	}
}

// personal are the collections in which something of a person is.
func personal() (names []string) {
	for _, r := range rooms {
		names = append(names, r.collection)
	}
	for name := range caches {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// failing is a store that fails in the middle, as a process that is killed does.
type failing struct {
	*Erasures
	after int
}

var errKilled = errors.New("killed")

func (f *failing) Delete(ctx context.Context, task erasure.Task) error {
	for _, r := range rooms[:f.after] {
		if err := r.empty(ctx, f.Erasures, task, task.Keys); err != nil {
			return err
		}
	}
	return errKilled
}

// TestErasureGoesOn: whatever it was stopped at, an erasure is finished by the next worker when the claim has lapsed, and
// counts everything once.
func TestErasureGoesOn(t *testing.T) {
	t.Parallel()
	for after := range len(rooms) + 1 {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			s.take(s.history()...)
			now := wallNoon
			s.store.now = func() time.Time { return now }
			settle(t, s.db)
			e := s.erase(identity.User, "ada-lovelace")
			if err := s.with(&failing{s.store, after}).Round(t.Context()); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if err := s.worker.Round(t.Context()); err != nil || s.proof(e.ID).FinishedAt != nil {
				t.Fatalf("somebody else worked at it at once (%v)", err)
			}
			if at, waits, err := s.store.Oldest(t.Context(), tenant); err != nil || !waits || !at.Equal(e.RequestedAt) {
				t.Errorf("the oldest that waits is of %v (%v, %v)", at, waits, err)
			}
			now = now.Add(2 * claimTerm)
			if err := s.worker.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p := s.proof(e.ID); p.FinishedAt == nil || p.Deleted[lakeCollection] != 8 || p.Deleted[rowsCollection] != 4 {
				t.Errorf("the proof is %+v", p)
			}
			if at, waits, err := s.store.Oldest(t.Context(), tenant); err != nil || waits {
				t.Errorf("when all is done, the oldest that waits is of %v (%v)", at, err)
			}
			s.balanced(0, 8)
		})
	}
}

// TestErasureAmidIngest: batches that begin before a person is put on the list and end after it leave nothing of them.
func TestErasureAmidIngest(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	var stream sync.WaitGroup
	began := make(chan struct{})
	stream.Go(func() {
		for i := range 60 {
			var batch []bus.Message
			for _, user := range []string{"ada-lovelace", "charles"} {
				m := s.message(buys(fmt.Sprint(user, i), user, fmt.Sprintf("tab-%d-of-%s", i%7, user), 1+i%20))
				m.Offset = s.next
				s.next++
				batch = append(batch, m)
			}
			if _, err := s.sink.Apply(context.WithoutCancel(t.Context()), contract.TopicEvents, 0, batch); err != nil {
				t.Error(err)
				return
			}
			if i == 10 {
				close(began)
			}
		}
	})
	<-began
	e := s.erase(identity.User, "ada-lovelace")
	if err := s.worker.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	stream.Wait()
	if p := s.proof(e.ID); !p.Done() || p.Deleted[lakeCollection] < 11 {
		t.Errorf("the proof is %+v", p)
	}
	if in := s.mentions("ada-lovelace", string(s.keys.Customer(identity.User, "ada-lovelace"))); !slices.Equal(in, []string{suppressedCollection}) {
		t.Errorf("the person is in %v", in)
	}
	removed := s.proof(e.ID).Deleted[lakeCollection]
	s.balanced(60-removed, removed)
}

// TestErasuresAtOnce: two workers erase two people whom one note of ingest names. The later writer does not bring back whom the
// earlier one has taken out since it looked.
func TestErasuresAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.take(s.message(buys("1", "ada-lovelace", "", 1)), s.message(buys("2", "charles", "", 1)), s.message(buys("3", "mary", "", 1)))
	ada, charles, mary := s.keys.Customer(identity.User, "ada-lovelace"), s.keys.Customer(identity.User, "charles"), s.keys.Customer(identity.User, "mary")
	notes := rooms[slices.IndexFunc(rooms, func(r room) bool { return r.collection == stirredCollection })]
	seen, err := notes.find(t.Context(), s.store, tenant, []identity.Key{ada})
	if err != nil || len(seen) != 1 {
		t.Fatalf("%d notes, %v", len(seen), err)
	}
	task := func(e erasure.Erasure, key identity.Key) erasure.Task {
		return erasure.Task{Erasure: e, Keys: []identity.Key{key}}
	}
	first, second := task(s.erase(identity.User, "ada-lovelace"), ada), task(s.erase(identity.User, "charles"), charles)
	if err := notes.empty(t.Context(), s.store, second, second.Keys); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again, it finds nothing to do
		if err := notes.take(t.Context(), s.store, first, first.Keys, seen); err != nil {
			t.Fatal(err)
		}
	}
	if text := s.everything()[stirredCollection]; strings.Contains(text, string(ada)) || strings.Contains(text, string(charles)) || !strings.Contains(text, string(mary)) {
		t.Errorf("the note is %s", text)
	}
	if n := s.proof(first.ID).Deleted[stirredCollection]; n != 1 {
		t.Errorf("%d notes were counted", n)
	}
}

// TestErasureOfWhatCannotBeRead: a record that was set aside since it cannot be read is found by whatever in it names the person.
func TestErasureOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	ada, charles := s.keys.Customer(identity.User, "ada-lovelace"), s.keys.Customer(identity.User, "charles")
	var records []lake.Quarantined
	for i, raw := range []string{
		`{"userId":"ada-lovelace","customerKey":7}`, `{"customerKey":"` + string(charles) + `","userId":"ada-lovelace"}`, `{"anonymousId": "browser-of-ada", "customerKey":`,
		`{"event":"x","traits":{"id":"ada\u002dlovelace"}}`, `e":"x","userId":"ada-lovelace","time":"`, `{"event":"x","userId":"ada-lovelace`, string(ada),
	} {
		records = append(records, lake.Quarantined{ID: fmt.Sprint("poison|", i), Tenant: tenant, Reason: fault.Poison, At: wallNoon, Raw: []byte(raw)})
	}
	records = append(records, lake.Quarantined{ID: "poison|key", Tenant: tenant, Reason: fault.Poison, At: wallNoon, Raw: []byte("{}"), Customer: ada},
		lake.Quarantined{ID: "poison|other", Tenant: tenant, Reason: fault.Poison, At: wallNoon, Raw: []byte(`{"userId":"charles","customerKey":7}`), Customer: charles})
	if err := NewLake(s.db).SetAside(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	s.take(s.message(says("1", "ada-lovelace", "browser-of-ada", "")))
	e := s.erase(identity.User, "ada-lovelace")
	if err := s.worker.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left []found
	if err := all(t.Context(), s.db.Collection(quarantineCollection), bson.D{}, &left); err != nil {
		t.Fatal(err)
	}
	if n := s.proof(e.ID).Deleted[quarantineCollection]; n != int64(len(records)-1) || len(left) != 1 || left[0].Customer != charles {
		t.Errorf("%d of %d were deleted, left is %+v", n, len(records), left)
	}
	if err := NewLake(s.db).Withdraw(t.Context(), tenant, []string{"poison|other", "poison|never was"}); err != nil || s.everything()[quarantineCollection] != "" {
		t.Errorf("withdrawn, it is still there: %v", err)
	}
}

// TestEveryCollectionIsKnown: whoever adds a collection has to say whether something of a person is in it.
func TestEveryCollectionIsKnown(t *testing.T) {
	t.Parallel()
	known := personal()
	for name, why := range impersonal {
		if slices.Contains(known, name) || why == "" {
			t.Errorf("%s is both, or for no reason", name)
		}
		known = append(known, name)
	}
	used := collectionsUsed(t)
	if len(used) < 20 {
		t.Fatalf("only %v were found", used)
	}
	for _, name := range used {
		if !slices.Contains(known, name) {
			t.Errorf("erasure does not know the collection %s: it belongs into rooms, or with a reason into impersonal", name)
		}
	}
}

// collectionsUsed reads, in this package and in shared/mongodb, every constant whose text is given to Collection(…), or whose
// name says that it is a collection's.
func collectionsUsed(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range []string{".", "../../../shared/mongodb"} {
		texts, given := map[string]string{}, map[string]bool{}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+f.Name(), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					for i, name := range n.Names {
						if i < len(n.Values) {
							if lit, ok := n.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
								texts[name.Name] = strings.Trim(lit.Value, `"`)
								given[name.Name] = given[name.Name] || strings.HasSuffix(name.Name, "Collection")
							}
						}
					}
				case *ast.CallExpr:
					if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Collection" && len(n.Args) == 1 {
						switch arg := n.Args[0].(type) {
						case *ast.Ident:
							given[arg.Name] = true
						case *ast.BasicLit:
							names = append(names, strings.Trim(arg.Value, `"`))
						}
					}
				}
				return true
			})
		}
		for name, is := range given {
			if text := texts[name]; is && text != "" {
				names = append(names, text)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
