package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/seedtest"
)

const precious = 4000

// preciousDisk returns a disk with a store whose files of every kind hold something, as a killed process leaves it.
func preciousDisk(t *testing.T) *vfs.MemFS {
	t.Helper()
	disk := vfs.NewCrashableMem()
	for life := range 2 { // opening writes the log of the life before into tables
		s, client := openApart(t, docstore.Options{Dir: "/data", FS: disk})
		coll := client.Database("db").Collection("c")
		if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: doc("v", 1)}); err != nil {
			t.Fatal(err)
		}
		var docs []any
		for i := range precious / 2 {
			n := life*precious/2 + i
			docs = append(docs, doc("_id", n, "v", n*7, "text", fmt.Sprintf("%0120x", rand.New(rand.NewPCG(uint64(n), 1)).Uint64())))
			if len(docs) == 50 {
				if _, err := coll.InsertMany(t.Context(), docs); err != nil {
					t.Fatal(err)
				}
				docs = nil
			}
		}
		if life == 1 {
			disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
		}
		end(t, s, client)
	}
	return disk
}

// TestFlippedBytesAreNeverServed flips bytes in tables, log and manifest of a store and reads everything.
func TestFlippedBytesAreNeverServed(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 4))
	whole := preciousDisk(t)
	found, harmless := map[string]int{}, map[string]int{}
	for trial := range repeat(60, 1500) {
		disk := whole.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
		kind := []string{".sst", ".log", "MANIFEST"}[trial%3]
		name, data := pick(t, disk, kind, rng)
		at := rng.IntN(len(data))
		data[at] ^= byte(1 + rng.IntN(255))
		err := readAll(t, disk, fmt.Sprintf("byte %d of %d of %s", at, len(data), name))
		if err == nil {
			harmless[kind]++ // what was hit holds no data: filters, statistics, room that is not used
			continue
		}
		found[kind]++
		if !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "restore") || kind == ".sst" && !strings.Contains(err.Error(), name) {
			t.Errorf("byte %d of %s: the error does not say what is damaged and what to do: %v", at, name, err)
		}
	}
	t.Logf("found %v, harmless %v", found, harmless)
	for _, kind := range []string{".sst", ".log", "MANIFEST"} {
		if found[kind] == 0 {
			t.Errorf("no damage was found in %s files: the test shows nothing", kind)
		}
	}
}

// pick returns a file of that kind and what it holds, without the end of a log: see the package comment.
func pick(t *testing.T, disk *vfs.MemFS, kind string, rng *rand.Rand) (string, []byte) {
	t.Helper()
	names, err := disk.List("/data")
	if err != nil {
		t.Fatal(err)
	}
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		data, err := disk.UnsafeGetFileDataBuffer("/data/" + name)
		if err != nil || !strings.Contains(name, kind) || len(data) == 0 {
			continue
		}
		if kind == ".log" {
			data = data[:len(data)*8/10]
		}
		return name, data
	}
	t.Fatalf("there is no %s file", kind)
	return "", nil
}

// readAll opens the store and reads everything by every way. It fails the test where an answer is wrong, and returns the
// error that said that something is damaged.
func readAll(t *testing.T, disk *vfs.MemFS, hit string) error {
	t.Helper()
	s, err := docstore.Open(docstore.Options{Dir: "/data", FS: disk, Now: time.Now})
	var damaged *engine.Corruption
	if errors.As(err, &damaged) {
		return err
	}
	if err != nil {
		t.Fatalf("%s: opening: %v", hit, err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()).SetDialer(s.Dialer()).SetTimeout(20 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = client.Disconnect(context.Background())
		_ = s.Close() // may tell of the damage again
	}()
	var first error
	for _, sort := range []string{"_id", "v"} {
		cur, err := client.Database("db").Collection("c").Find(t.Context(), bson.D{}, options.Find().SetSort(doc(sort, 1)))
		n := 0
		for ; err == nil && cur.Next(t.Context()); n++ {
			want := fmt.Sprintf("%0120x", rand.New(rand.NewPCG(uint64(n), 1)).Uint64())
			if got := cur.Current.Lookup("text").StringValue(); got != want || int(cur.Current.Lookup("_id").Int32()) != n {
				t.Fatalf("%s: document %d is %s", hit, n, cur.Current)
			}
		}
		if err == nil {
			err = cur.Err()
		}
		if err == nil && n != precious {
			t.Fatalf("%s: %d of %d documents were served without an error", hit, n, precious)
		}
		if err != nil {
			requireCode(t, err, 301, "")
			first = err
		}
	}
	return errors.Join(first, validated(t, client, first != nil))
}

// validated returns what validate says to be wrong.
func validated(t *testing.T, client *mongo.Client, damaged bool) error {
	t.Helper()
	var reply struct {
		Valid  bool
		Errors []string
	}
	if err := client.Database("db").RunCommand(t.Context(), doc("validate", "c")).Decode(&reply); err != nil {
		t.Fatal(err)
	}
	if reply.Valid == damaged || reply.Valid != (len(reply.Errors) == 0) {
		t.Errorf("validate answers %+v; damaged: %v", reply, damaged)
	}
	if reply.Valid {
		return nil
	}
	return errors.New(strings.Join(reply.Errors, "; "))
}
