package docstore_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/seedtest"
)

// serverDir names the environment variable that makes the test binary a server on that folder, to be killed.
const serverDir = "DOCSTORE_TEST_SERVER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDir); dir != "" {
		if err := serveForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveForever(dir string) error {
	s, err := docstore.Open(docstore.Options{Dir: dir, Now: time.Now})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening", l.Addr())
	return s.Serve(l)
}

// repeat is how often a test goes round: few times in CI, many in the full version.
func repeat(short, full int) int {
	if os.Getenv("STRATA_FULL") != "" {
		return full
	}
	return short
}

// process is a server in a process of its own.
type process struct {
	cmd    *exec.Cmd
	client *mongo.Client
}

func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), serverDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	address := strings.TrimSpace(strings.TrimPrefix(line, "listening "))
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + address + "/?replicaSet=strata").SetTimeout(20 * time.Second).SetServerSelectionTimeout(2 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return &process{cmd: cmd, client: c}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed: the error says so
	_ = p.client.Disconnect(context.Background())
}

// ledger is what the workers know to be acknowledged.
type ledger struct {
	mu    sync.Mutex
	plain map[string]bool
	pairs map[string]bool
	acks  chan struct{}

	underWay atomic.Int32 // writes that were sent and not answered
}

func (l *ledger) note(m map[string]bool, id string) {
	l.mu.Lock()
	m[id] = true
	l.mu.Unlock()
	select {
	case l.acks <- struct{}{}:
	default:
	}
}

// work writes until the server dies or ctx ends: single documents, and pairs that belong together.
func (l *ledger) work(ctx context.Context, c *mongo.Client, worker, life int) {
	db := c.Database("crash")
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d-%d-%d", life, worker, i)
		l.underWay.Add(1)
		_, err := db.Collection("plain").InsertOne(ctx, doc("_id", id, "group", i%7, "tags", bson.A{worker, i}))
		l.underWay.Add(-1)
		if err != nil {
			return
		}
		l.note(l.plain, id)
		if err := pair(ctx, c, id); err != nil {
			return
		}
		l.note(l.pairs, id)
	}
}

// pair writes two documents in a transaction. It does not use WithTransaction, which would wait for the dead server.
func pair(ctx context.Context, c *mongo.Client, id string) error {
	s, err := c.StartSession()
	if err != nil {
		return err
	}
	defer s.EndSession(ctx)
	if err := s.StartTransaction(); err != nil {
		return err
	}
	in, db := mongo.NewSessionContext(ctx, s), c.Database("crash")
	if _, err := db.Collection("left").InsertOne(in, doc("_id", id)); err != nil {
		return err
	}
	if _, err := db.Collection("right").InsertOne(in, doc("_id", id, "u", id)); err != nil {
		return err
	}
	return s.CommitTransaction(ctx)
}

// TestKilledServerLosesNothingAcknowledged kills a server process with SIGKILL at many moments, on one folder, while
// clients write, and compares what the next process finds with what was acknowledged.
func TestKilledServerLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	l := &ledger{plain: map[string]bool{}, pairs: map[string]bool{}, acks: make(chan struct{}, 1)}
	lives, hits, unsure := repeat(80, 800), 0, 0
	for life := range lives {
		p := startProcess(t, dir)
		unsure += l.check(t, p.client)
		makeIndexes(t, p.client)
		ctx, over := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for w := range 6 {
			wg.Go(func() { l.work(ctx, p.client, w, life) })
		}
		for range 5 + rng.IntN(60) {
			<-l.acks
		}
		<-time.After(time.Duration(rng.IntN(3000)) * time.Microsecond) // anywhere between two acknowledgements
		if l.underWay.Load() > 0 {
			hits++
		}
		p.kill(t)
		over()
		wg.Wait()
		if t.Failed() {
			t.Fatalf("in life %d", life)
		}
	}
	p := startProcess(t, dir)
	unsure += l.check(t, p.client)
	p.kill(t)
	if hits < lives/2 || unsure == 0 {
		t.Errorf("work was under way at %d of %d kills, and %d unacknowledged writes survived: the test shows nothing", hits, lives, unsure)
	}
	t.Logf("%d kills, %d amid work; %d documents and %d transactions were acknowledged and are there, %d more survived without",
		lives, hits, len(l.plain), len(l.pairs), unsure)
}

// check compares the store with the ledger, and returns how many writes are there that nobody was told of; it enters
// them into the ledger, for what was there once must stay.
func (l *ledger) check(t *testing.T, c *mongo.Client) (unsure int) {
	t.Helper()
	plain, left, right := ids(t, c, "plain"), ids(t, c, "left"), ids(t, c, "right")
	for id := range l.plain {
		if !plain[id] {
			t.Errorf("document %s was acknowledged and is gone", id)
		}
	}
	for id := range l.pairs {
		if !left[id] {
			t.Errorf("transaction %s was acknowledged and is gone", id)
		}
	}
	for id := range left {
		if !right[id] {
			t.Errorf("half of transaction %s is there", id)
		}
	}
	if len(left) != len(right) {
		t.Errorf("%d documents on the left, %d on the right", len(left), len(right))
	}
	if len(plain) > 0 {
		requireValid(t, c, "crash", "plain", "left", "right")
	}
	unsure = len(plain) - len(l.plain) + len(left) - len(l.pairs)
	l.plain, l.pairs = plain, left
	return unsure
}

func ids(t *testing.T, c *mongo.Client, coll string) map[string]bool {
	t.Helper()
	cur, err := c.Database("crash").Collection(coll).Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for cur.Next(t.Context()) {
		found[cur.Current.Lookup("_id").StringValue()] = true
	}
	if err := cur.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRetryableWritesAreAnsweredAgainAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	session := bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}
	lsid := doc("id", session)
	increment := doc("update", "c", "updates", bson.A{doc("q", doc("_id", 1), "u", doc("$inc", doc("v", 1)), "upsert", true), doc("q", doc("_id", 1), "u", doc("$inc", doc("v", 1)))}, "lsid", lsid, "txnNumber", int64(7))
	modify := doc("findAndModify", "c", "query", doc("_id", 1), "update", doc("$inc", doc("v", 100)), "new", true, "lsid", lsid, "txnNumber", int64(8))
	var replies [2][]bson.Raw
	for life := range replies {
		s, client := open(t, docstore.Options{Dir: dir})
		raw := dialRaw(t, s)
		run := func(cmd bson.D) bson.Raw { return raw.run("db", cmd) }
		if life == 0 {
			replies[0] = []bson.Raw{run(increment), run(increment)}
			if told(replies[0][0]) != told(replies[0][1]) {
				t.Errorf("the repeated update answered %s, first %s", replies[0][1], replies[0][0])
			}
			replies[0] = []bson.Raw{run(modify)}
		} else {
			replies[1] = []bson.Raw{run(modify)}
			if code := raw.code("db", increment); code != 225 {
				t.Errorf("an old number answered code %d, want 225", code)
			}
		}
		if got := field(t, t.Context(), client.Database("db").Collection("c"), 1, "v"); got != 102 {
			t.Errorf("v is %d, want 102: a repeated write was carried out twice", got)
		}
		_ = client.Disconnect(context.Background())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if told(replies[0][0]) != told(replies[1][0]) {
		t.Errorf("after the restart the answer is %s, was %s", replies[1][0], replies[0][0])
	}
}

// told is what an answer says, without the time at which it says it.
func told(reply bson.Raw) string {
	return fmt.Sprint(reply.Lookup("n"), reply.Lookup("nModified"), reply.Lookup("upserted"), reply.Lookup("lastErrorObject"), reply.Lookup("value"))
}

func TestCommitIsIdempotentEvenAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lsid := doc("id", bson.Binary{Subtype: 4, Data: []byte("fedcba9876543210")})
	commit := doc("commitTransaction", 1, "lsid", lsid, "txnNumber", int64(1), "autocommit", false)
	for life := range 2 {
		s, client := open(t, docstore.Options{Dir: dir})
		raw := dialRaw(t, s)
		if life == 0 {
			insert := doc("insert", "c", "documents", bson.A{doc("_id", 1)}, "lsid", lsid, "txnNumber", int64(1), "autocommit", false, "startTransaction", true)
			if code := raw.code("db", insert); code != 0 {
				t.Fatalf("insert answered code %d", code)
			}
		}
		for range 2 {
			if code := raw.code("admin", commit); code != 0 {
				t.Errorf("commit in life %d answered code %d", life, code)
			}
		}
		if n, err := client.Database("db").Collection("c").CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
			t.Errorf("%d documents, %v", n, err)
		}
		_ = client.Disconnect(context.Background())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
