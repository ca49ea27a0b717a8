// Command withkafka runs a command beside one broker of Apache Kafka, which it starts before and ends after it: Strata's
// topics are set up, STRATA_TEST_KAFKA_BROKERS names the broker, STRATA_TEST_KAFKA_CONTROL the address where it can be
// restarted (POST …/restart) and crashed (POST …/crash). It ends with the command's exit code.
//
//	withkafka [--kafka deploy/kafka] [--log file] command [argument…]
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/strata-crm/strata/deploy/internal/realkafka"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ())
	stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		fmt.Fprintln(os.Stderr, "withkafka:", err)
		os.Exit(exit.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "withkafka:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args, environ []string) (err error) {
	flags := flag.NewFlagSet("withkafka", flag.ContinueOnError)
	folder := flags.String("kafka", "deploy/kafka", "the `folder` of jars.sha256, broker.properties and .cache")
	logFile := flags.String("log", "", "a `file` for the broker's own log; empty = none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return fault.New(fault.Invalid, fault.BadRequest, "say which command is to run beside the broker")
	}
	log, closeLog, err := openLog(*logFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	b, end, err := start(ctx, *folder, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := setUp(ctx, b.Address()); err != nil {
		return err
	}
	control, err := serve(b)
	if err != nil {
		return err
	}
	return beside(ctx, flags.Args(), append(environ, "STRATA_TEST_KAFKA_BROKERS="+b.Address(), "STRATA_TEST_KAFKA_CONTROL="+control))
}

func openLog(name string) (io.Writer, func() error, error) {
	if name == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, fmt.Errorf("make the broker's log: %w", err)
	}
	return f, f.Close, nil
}

// start returns a running broker and what ends it and removes its folder.
func start(ctx context.Context, folder string, log io.Writer) (*realkafka.Broker, func() error, error) {
	jars := filepath.Join(folder, ".cache", "lib")
	if err := realkafka.VerifyJars(jars, filepath.Join(folder, "jars.sha256")); err != nil {
		return nil, nil, err
	}
	settings, err := realkafka.Settings(filepath.Join(folder, "broker.properties"))
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "strata-kafka-")
	if err != nil {
		return nil, nil, fmt.Errorf("make the broker's folder: %w", err)
	}
	b, err := realkafka.New(ctx, realkafka.Options{Jars: jars, Dir: dir, Settings: settings, Log: log})
	if err == nil {
		err = b.Start(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, func() error { return errors.Join(b.Stop(), os.RemoveAll(dir)) }, nil
}

// setUp makes Strata's topics, as `<service> setup` does, and looks whether they are as asked for.
func setUp(ctx context.Context, address string) (err error) {
	b, err := kafkabus.New(kafkabus.Options{Brokers: []string{address}, ClientID: "setup", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	if err := b.EnsureTopics(ctx, contract.Specs()...); err != nil {
		return err
	}
	return b.VerifyTopics(ctx, contract.Specs()...)
}

// serve serves the broker's control until the process ends, and returns its address.
func serve(b *realkafka.Broker) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serve the broker's control: %w", err)
	}
	path := "/" + rand.Text()
	server := &http.Server{Handler: http.StripPrefix(path, realkafka.Control(b)), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	return "http://" + l.Addr().String() + path, nil
}

// beside runs the command; an interrupt is passed on, and the command is given time to end.
func beside(ctx context.Context, args, environ []string) error {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Env, c.Stdin, c.Stdout, c.Stderr = environ, os.Stdin, os.Stdout, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 30 * time.Second
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}
