// Package broker is the Kafka-protocol broker of local mode: kfake, from franz-go, in this process. It owns the folder
// the log lies in, who can connect, when a write counts as stored, and what may be deleted. It does not own topics'
// names, and no service knows that it is not Apache Kafka.
//
// What it promises. A produce is answered only when its bytes, and the names of the files that hold them, have been
// synced to disk; a fetch shows no message that is not. kfake alone would not do that: with its own option for
// synchronous writes it ignores the error of a failed sync, and it syncs in its one loop, so that all partitions wait
// for each. When a sync fails the broker stops for good (see Err): what the disk holds is then unknown, and only a
// new start, which reads it again, can tell. Killing the process loses nothing that was acknowledged. Nothing is
// deleted but whole segments, older than the topic's retention, below what RetainUntil was told, and never a
// partition's last one, for kfake would number an emptied partition from zero again.
//
// On a full disk, or a read-only one, a produce that finds no room is refused with Kafka's error -1 (the log tells which
// file), and later ones succeed once there is room; nothing acknowledged is lost, and what was refused may be published
// again under the same ids. Only a failed sync stops the broker.
//
// What it does not promise. There is one copy: a broken disk is a lost log. A disk that lies about syncing may lose
// the end of the log. Offsets of groups, and changes of topics' settings, are answered before they are synced, and
// kfake only logs it when it cannot write them: a power failure may turn a group back a little, which means messages
// handled twice. After a crash messages deleted shortly before may be there again. kfake keeps an index of all stored
// batches in memory and reads the whole log at each start, so this is for millions of messages, not billions.
// message.timestamp.type=LogAppendTime is accepted but the time is the sender's. Transactions, compaction and access
// lists are kfake's and are not used here.
package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/strata-crm/strata/shared/fault"
)

const (
	// segmentBytes is the size of the files that a partition's log is cut into, and so the unit of deletion.
	segmentBytes = "16777216"
	// never keeps kfake from applying retention by itself: it knows nothing of what has been read, and expires by age
	// alone. Ten years, in milliseconds.
	never = "315360000000"
	// groupRetention keeps committed offsets for a year, longer than any topic's retention.
	groupRetention = "525600"
)

// Credential is what a client signs in with (SASL SCRAM-SHA-512 or -256).
type Credential struct{ Username, Password string }

// Options says where the broker keeps its log and who can reach it.
type Options struct {
	// Dir holds the log; it is made if it does not exist, readable to this user only. "" keeps the log in memory.
	Dir    string
	Logger *slog.Logger // required
	// Listen is a loopback address ("127.0.0.1:9092", port 0 for any) for clients outside this process. "" = none.
	Listen string
	// Credential is asked of every client, also of those that use Dial. Required when Listen is given, else optional.
	Credential *Credential
	// Aged lists topics whose messages may be deleted by age alone, whether or not RetainUntil was called.
	Aged []string
	// RetentionEvery is how often old segments are looked for; 0 means ten minutes.
	RetentionEvery time.Duration
	Now            func() time.Time // nil = the wall clock
	FS             vfs.FS           // where syncs go; nil = the disk. Tests make it fail
}

// Broker is a running broker.
type Broker struct {
	options   Options
	cluster   *kfake.Cluster
	clusterID string
	listener  *listener
	syncer    *syncer // nil in memory
	lock      func() error

	deleting sync.Mutex // held while messages are deleted, or must not be

	mu     sync.Mutex
	retain map[partition]int64

	stop    context.CancelFunc
	stopped chan struct{}
	once    sync.Once
}

// Open starts a broker on the folder's log, or a new one. It fails when the folder is in use by another process or its
// log is damaged beyond the unfinished end of a file.
func Open(o Options) (*Broker, error) {
	if o.Logger == nil {
		return nil, errors.New("the broker needs a Logger")
	}
	if o.Listen != "" && o.Credential == nil {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "a broker that listens on %s needs a credential: give one", o.Listen)
	}
	if o.RetentionEvery == 0 {
		o.RetentionEvery = 10 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	b := &Broker{options: o, retain: map[partition]int64{}, stopped: make(chan struct{}), lock: func() error { return nil }}
	if err := b.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the local broker: %w", err), b.lock())
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	go b.expireNowAndThen(ctx)
	return b, nil
}

func (b *Broker) open() error {
	if err := b.prepare(); err != nil {
		return err
	}
	listener, err := listen(b.options.Listen, b.guard)
	if err != nil {
		return err
	}
	b.listener = listener
	b.cluster, err = kfake.NewCluster(b.settings()...)
	if err == nil && b.syncer != nil {
		if err = b.syncer.folders(); err != nil {
			b.cluster.Close()
		}
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return nil
}

// prepare makes and locks the folder and finds out which log lies there.
func (b *Broker) prepare() error {
	b.clusterID = uuid.NewString()
	dir := b.options.Dir
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := vfs.Default.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return fault.New(fault.Conflict, fault.Unavailable, "the folder %s is in use: stop the other process (%w)", dir, err)
	}
	b.lock = lock.Close
	b.syncer = newSyncer(b.options.FS, b.logDir(), b.fail)
	// Credentials are this start's, not those that an earlier one stored.
	if err := os.Remove(filepath.Join(b.logDir(), "sasl.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return b.readClusterID()
}

func (b *Broker) logDir() string { return filepath.Join(b.options.Dir, "log") }

func (b *Broker) readClusterID() error {
	path := filepath.Join(b.logDir(), "meta.json")
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(b.logDir(), "topics.json")); err == nil {
			return fault.New(fault.Conflict, fault.LogChanged, "%s is missing but there is a log: restore it, or move the folder away to start a new log", path)
		}
		return nil
	}
	if err != nil {
		return err
	}
	var meta struct {
		ClusterID string `json:"cluster_id"`
	}
	if err := json.Unmarshal(raw, &meta); err != nil || meta.ClusterID == "" {
		return fault.New(fault.Conflict, fault.LogChanged, "%s does not name a cluster: restore it, or move the folder away to start a new log", path)
	}
	b.clusterID = meta.ClusterID
	return nil
}

func (b *Broker) settings() []kfake.Opt {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Produce), maxProduce)
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID(b.clusterID), kfake.MaxVersions(versions), kfake.WithLogger(logger{b.options.Logger}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.listener, nil }),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes": segmentBytes, "log.cleaner.backoff.ms": never, "offsets.retention.minutes": groupRetention}),
	}
	if c := b.options.Credential; c != nil {
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", c.Username, c.Password), kfake.Superuser("SCRAM-SHA-256", c.Username, c.Password))
	}
	if b.options.Dir != "" {
		opts = append(opts, kfake.DataDir(b.logDir()))
	}
	return opts
}

// Brokers returns the address to give to clients. Without Listen it is only a name, which Dial understands.
func (b *Broker) Brokers() []string { return []string{b.listener.Addr().String()} }

// Dial connects a client in this process, without a port. The address is not looked at.
func (b *Broker) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return b.listener.dial(ctx)
}

// ClusterID identifies the log: another id means another log.
func (b *Broker) ClusterID() string { return b.clusterID }

// Credential returns what clients sign in with; nil means they need not.
func (b *Broker) Credential() *Credential { return b.options.Credential }

// Err is not nil when a sync has failed and the broker has therefore stopped; the process should end and be started
// again once the disk is well.
func (b *Broker) Err() error {
	if b.syncer == nil {
		return nil
	}
	return b.syncer.failure()
}

// fail makes every client's connection end without an answer.
func (b *Broker) fail(err error) {
	b.options.Logger.Error("the disk did not store what was written: the local broker stops; mend the disk and start again", slog.Any("error", err))
	b.listener.Close()
}

// Close ends all connections, stores the broker's state and releases the folder. It may be called again.
func (b *Broker) Close() error {
	var err error
	b.once.Do(func() {
		b.stop()
		<-b.stopped
		b.listener.Close()
		b.cluster.Close()
		if b.syncer != nil {
			err = b.syncer.close()
		}
		err = errors.Join(err, b.lock())
	})
	return err
}

// logger passes kfake's warnings on.
type logger struct{ to *slog.Logger }

// Logf implements kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		l.to.Warn("kfake: " + fmt.Sprintf(format, args...))
	}
}
