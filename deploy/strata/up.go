package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/suite"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/signin"
)

const readyWithin = 60 * time.Second

// place is where a suite keeps its data and listens.
type place struct {
	Data     string `help:"Data folder." default:"./.strata" placeholder:"DIR"`
	Listen   string `help:"Address to serve at, on loopback." default:"127.0.0.1:7070"`
	Zone     string `help:"The company's time zone (IANA); fixed after the first event." placeholder:"ZONE"`
	Currency string `help:"The company's currency (ISO 4217); fixed after the first event." placeholder:"CODE"`
	Library  string `help:"Folder of your own playbooks/*.yaml, metrics.yaml, parameters.yaml." type:"existingdir" placeholder:"DIR"`
	LogLevel string `help:"debug, info, warn or error." default:"warn" enum:"debug,info,warn,error"`
}

func (p place) options(t terminal, log io.Writer, layers []contract.Layer) suite.Options {
	return suite.Options{Dir: p.Data, Layers: layers, Environ: t.environ, Zone: p.Zone, Currency: p.Currency, Library: p.Library,
		Log: log, LogLevel: p.LogLevel, Now: t.now}
}

type upCommand struct {
	place
	Layers  string        `help:"Which layers run: some of strategic,functional,operational; or none, for broker and store alone." default:"strategic,functional,operational"`
	Expose  bool          `help:"Let broker and store listen on loopback, behind a random credential, for services in processes of their own."`
	Cadence time.Duration `help:"How often at most a month that is still open is measured." default:"60s"`
	Tokens  string        `help:"Also write a token for each role into this file, for programs; it may be read by you only." placeholder:"FILE"`
}

// Run serves until the context ends.
func (u *upCommand) Run(ctx context.Context, t terminal) error {
	layers, err := layersOf(u.Layers)
	if err != nil {
		return err
	}
	o := u.options(t, t.err, layers)
	o.Expose, o.Cadence = u.Expose, u.Cadence
	s, err := suite.Open(ctx, o)
	if err != nil {
		return err
	}
	err = serve(ctx, s, u.Listen, func(url string) error {
		if u.Tokens != "" {
			if err := tokens(s, u.Tokens); err != nil {
				return err
			}
		}
		u.greet(t.out, s, url)
		return nil
	})
	return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
}

// serve runs the suite until ctx ends, and calls ready once it is ready; an error of ready ends it.
func serve(ctx context.Context, s *suite.Suite, listen string, ready func(url string) error) error {
	outer := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	urls, ran := make(chan string, 1), make(chan error, 1)
	go func() {
		defer stop()
		ran <- s.Run(ctx, listen, func(url string) { urls <- url })
	}()
	var err error
	select {
	case url := <-urls:
		within, cancel := context.WithTimeout(ctx, readyWithin)
		if err = s.AwaitReady(within); err == nil {
			err = ready(url)
		}
		cancel()
	case <-ctx.Done():
	}
	if err != nil {
		stop()
	}
	failed := <-ran
	if outer.Err() != nil {
		err = nil // the end was asked for before it was ready
	}
	return errors.Join(err, failed)
}

// person is somebody of the local company.
type person struct {
	subject string
	role    signin.Role
	title   string
}

// people are those who get a sign-in link: two executives, because governance needs two.
var people = []person{
	{"executive-1", signin.Executive, "executive"}, {"executive-2", signin.Executive, "another executive"},
	{"manager-1", signin.Manager, "manager"}, {"steward-1", signin.Steward, "data steward"},
}

func (u *upCommand) greet(out io.Writer, s *suite.Suite, url string) {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	say("Strata %s runs at %s (data in %s)", host.Version(), url, u.Data)
	links(out, s, url)
	say("  Collector token, for programs that import: %s", must(s.Issuer().Token("collector-1", []signin.Role{signin.Collector}, 365*24*time.Hour)))
	if f := s.Exposed(); f != "" {
		say("  Broker and store are exposed on loopback: the settings for services of their own are in %s", f)
	}
	say("  In a fresh folder nothing is allowed yet: two executives approve the governance directive first. `strata demo` shows the whole loop.")
	say("  Press Ctrl-C to stop.")
}

func links(out io.Writer, s *suite.Suite, url string) {
	fmt.Fprintln(out, "  Sign in once with each link, within 24 h:")
	for _, p := range people {
		fmt.Fprintf(out, "    %-18s %s/signin?code=%s\n", p.title, url, s.Issuer().Link(p.subject, []signin.Role{p.role}))
	}
}

// must is for tokens of known roles, which cannot fail to be signed but by a defect, which is shown in their place.
func must(token string, err error) string {
	if err != nil {
		return err.Error()
	}
	return token
}

// tokens writes one line role=token for each person, and for a collector and a service.
func tokens(s *suite.Suite, name string) error {
	var text strings.Builder
	for _, p := range append(people, person{"collector-1", signin.Collector, ""}) {
		token, err := s.Issuer().Token(p.subject, []signin.Role{p.role}, 24*time.Hour)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s=%s\n", p.subject, token)
	}
	temporary := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	if err := os.WriteFile(temporary, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	return os.Rename(temporary, name)
}

func layersOf(text string) ([]contract.Layer, error) {
	if text == "none" {
		return nil, nil
	}
	var all []contract.Layer
	for _, l := range strings.Split(text, ",") {
		all = append(all, contract.Layer(strings.TrimSpace(l)))
	}
	return all, nil
}
