// Command strata runs Strata on one machine, tells its story, and speaks to a running suite.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/strata-crm/strata/deploy/internal/heap"
)

// terminal is the process's surroundings, for the commands.
type terminal struct {
	out, err io.Writer
	tty      bool // out is a terminal
	environ  []string
	now      func() time.Time
}

// cli is every command with its flags.
type cli struct {
	Up      upCommand      `cmd:"" help:"Run all services, or some, in one process on an embedded broker and document store."`
	Demo    demoCommand    `cmd:"" help:"Tell the loop as it happens: three goals, their directives, the purchases, the scorecard."`
	Setup   setupCommand   `cmd:"" help:"Set a data folder up: topics, indexes, migrations."`
	Govern  governCommand  `cmd:"" name:"governance" help:"The company's rules: show them, approve them. Two different executives do, before anything is allowed."`
	Source  sourceCommand  `cmd:"" help:"Register a source of data, with what it offers."`
	Goal    goalCommand    `cmd:"" help:"Set a goal, and order what it takes to measure it."`
	Order   orderCommand   `cmd:"" name:"directive" help:"Take a directive one step on: propose, approve, issue, withdraw."`
	Import  importCommand  `cmd:"" help:"Import a file of orders into a running suite."`
	Status  statusCommand  `cmd:"" help:"Show the scorecard, and every directive with its state and answer."`
	Backup  backupCommand  `cmd:"" help:"Copy a data folder, while its suite runs or not."`
	Restore restoreCommand `cmd:"" help:"Make a data folder of a back-up."`
	Insight insightCommand `cmd:"" help:"What is claimed of the customers, how it answers the five questions, and whether it is knowledge."`
	Predict predictCommand `cmd:"" help:"Show what is expected of customers, or write a file of each."`
	Model   modelCommand   `cmd:"" help:"The fits of models that numbers rest on: the state of each, its data, and how it did on later weeks."`
	Export  exportCommand  `cmd:"" help:"Write a metric's series, its grid of cohorts or its forecast to a file."`
	Metric  metricCommand  `cmd:"" help:"Look into how metrics are computed."`
	Person  personCommand  `cmd:"" help:"Everything that is held of one person: print it, delete it, prove that it is gone."`
	Link    linkCommand    `cmd:"" help:"Make a one-time sign-in link for a person of a running suite."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go heap.Tend(ctx, os.Environ()) // while the command runs
	err := run(ctx, os.Args[1:], terminal{
		out: os.Stdout, err: os.Stderr, tty: term.IsTerminal(int(os.Stdout.Fd())), environ: os.Environ(), now: time.Now,
	})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "strata:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, t terminal) error {
	var c cli
	code := -1
	parser, err := kong.New(&c, kong.Name("strata"), kong.Description("A customer relationship suite in three layers that speak through Kafka only."),
		kong.Writers(t.out, t.err), kong.Exit(func(n int) { code = n }), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if code == 0 {
		return nil // help was asked for and printed
	}
	if err != nil {
		return fmt.Errorf("%w: see strata --help", err)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(t)
	return command.Run()
}
