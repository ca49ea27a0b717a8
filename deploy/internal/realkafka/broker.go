package realkafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	startLimit = 90 * time.Second
	stopLimit  = 30 * time.Second
	askEvery   = 100 * time.Millisecond
)

// Options says what to run, and where.
type Options struct {
	Jars     string            // folder of the jars, verified before; required
	Dir      string            // folder of the log, which is formatted where it is new; required
	Settings map[string]string // of the broker, but for those of the node itself
	Log      io.Writer         // gets the broker's own log; nil = none
}

// Broker is a broker that can be stopped, killed and started again on the same log, at the same address. It is for one
// goroutine at a time.
type Broker struct {
	o       Options
	file    string
	place   place
	process *exec.Cmd // nil while stopped
	ended   chan error
}

// New formats the folder where it is new, and chooses the address. It starts nothing.
func New(ctx context.Context, o Options) (*Broker, error) {
	all, err := NewCluster(ctx, o, 1)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// NewCluster is New for brokers that form one cluster, each with a folder of its own beneath the folder. The first that
// is started waits for a majority of them.
func NewCluster(ctx context.Context, o Options, nodes int) ([]*Broker, error) {
	if o.Jars == "" || o.Dir == "" || nodes < 1 {
		return nil, errors.New("a cluster needs a folder of jars, a folder of its own and nodes")
	}
	addresses, err := freePorts(nodes)
	if err != nil {
		return nil, err
	}
	id := uuid.New()
	var all []*Broker
	for i := range nodes {
		b := &Broker{o: o, place: place{i, addresses}}
		if err := b.format(ctx, base64.RawURLEncoding.EncodeToString(id[:])); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

func (b *Broker) format(ctx context.Context, cluster string) error {
	dir := filepath.Join(b.o.Dir, strconv.Itoa(b.place.node+1))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the broker's folder: %w", err)
	}
	b.file = filepath.Join(dir, "server.properties")
	if err := writeSettings(b.file, dir, b.place, b.o.Settings); err != nil {
		return err
	}
	format := b.java(ctx, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", b.file)
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("format the broker's folder: %w\n%s", err, out)
	}
	return nil
}

// java returns the command that runs a class of the jars in a JVM small enough to stand beside tests.
func (b *Broker) java(ctx context.Context, class string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "java", append([]string{
		"-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-cp", filepath.Join(b.o.Jars, "*"), class,
	}, args...)...)
}

// Address returns host:port for clients.
func (b *Broker) Address() string { return b.place.own().clients }

// Start starts the broker and returns once it answers. It does nothing when the broker runs.
func (b *Broker) Start(ctx context.Context) error {
	if b.process != nil {
		return nil
	}
	p := b.java(context.WithoutCancel(ctx), "kafka.Kafka", b.file)
	p.Stdout, p.Stderr = b.o.Log, b.o.Log
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal ends the tests first, then this
	if err := p.Start(); err != nil {
		return fmt.Errorf("start java, which Apache Kafka needs in version 17 or later: %w", err)
	}
	b.process, b.ended = p, make(chan error, 1)
	go func() { b.ended <- p.Wait() }()
	if err := b.await(ctx); err != nil {
		return errors.Join(err, b.Kill())
	}
	return nil
}

// await returns nil once the broker answers and has a leader for what it was asked before it stopped.
func (b *Broker) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address()))
	if err != nil {
		return err
	}
	defer client.Close()
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		if err = answers(ctx, client); err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case end := <-b.ended:
			b.ended <- end
			return fmt.Errorf("the broker ended while starting: %w", end)
		case <-ctx.Done():
			return fmt.Errorf("the broker does not answer: %w", err)
		}
	}
}

// answers returns nil when the broker lists itself and each partition has a leader.
func answers(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if len(answer.Brokers) == 0 {
		return errors.New("no broker is registered yet")
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 {
				return fmt.Errorf("partition %d of %s has no leader yet", p.Partition, *t.Topic)
			}
		}
	}
	return nil
}

// Stop ends the broker as an operator would, so that it leaves nothing to recover. It kills a broker that does not end
// in time, and says so. It does nothing when the broker is stopped.
func (b *Broker) Stop() error {
	if b.process == nil {
		return nil
	}
	if err := b.process.Process.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(fmt.Errorf("stop the broker: %w", err), b.Kill())
	}
	select {
	case <-b.ended:
		b.process = nil
		return nil
	case <-time.After(stopLimit):
		return errors.Join(errors.New("the broker did not stop in time and was killed"), b.Kill())
	}
}

// Kill ends the broker as a crash of its process would. It does nothing when the broker is stopped.
func (b *Broker) Kill() error {
	if b.process == nil {
		return nil
	}
	err := b.process.Process.Kill()
	<-b.ended
	b.process = nil
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the broker: %w", err)
	}
	return nil
}
