// Package demo tells the loop as it happens: three goals become directives, plans, operational directives, collection,
// measurements and statuses. It drives a running suite from outside, over HTTP, as people and programs would, prints each
// hop, and compares what came of it with expectations that it is given. It computes no expectation itself.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

// Waits of the story: how long something may take before it has failed.
const (
	answerWithin = 30 * time.Second
	monthWithin  = 5 * time.Minute
	lookEvery    = 100 * time.Millisecond
)

// Options is what the story needs.
type Options struct {
	Client   *client.Client                                             // of the suite's address; its token does not matter
	Token    func(subject string, roles ...signin.Role) (string, error) // of the local sign-in
	Orders   *orderfile.File
	About    string                    // what the orders are, in a few lines
	Expected func() oracle.Expectation // waits until the expectations are there
	Out      io.Writer
	Terminal bool // Out is a terminal: a bar moves
	Now      func() time.Time
}

// Tell tells the story and returns nil only if every step came true.
func Tell(ctx context.Context, o Options) error {
	s, err := newStory(o)
	if err != nil {
		return err
	}
	for _, chapter := range []func(context.Context) error{
		s.prologue, s.governance, s.source, s.directives, s.months, s.settled, s.statement, s.scorecard, s.manager, s.compare,
	} {
		if err := chapter(ctx); err != nil {
			return fmt.Errorf("the story stops: %w", err)
		}
	}
	return s.verdict()
}

// story is the state of one telling.
type story struct {
	Options
	*teller
	calendar Calendar
	parts    []*orderfile.File
	people   people
	pursued  []*pursuit
	told     []client.Statement
	wrong    []string // what did not come true
	steps    int
	failed   int // of the steps; one may have several things wrong
}

// people are the clients of those who act.
type people struct{ first, second, manager, steward, collector *client.Client }

// pursuit is one goal on its way.
type pursuit struct {
	goal
	set       client.Goal
	directive client.Directive
	plan      []contract.MetricUse
	seen      map[string]string // status at each month, as it was shown at the time
	last      string
}

func newStory(o Options) (*story, error) {
	if o.Client == nil || o.Token == nil || o.Orders == nil || o.Expected == nil || o.Out == nil || o.Now == nil {
		return nil, errors.New("the demo needs a client, tokens, orders, expectations, an output and a clock")
	}
	s := &story{Options: o, teller: &teller{out: o.Out, begun: o.Now(), now: o.Now, bar: o.Terminal}, parts: o.Orders.Months()}
	var ok bool
	if s.calendar, ok = CalendarOf(s.parts); !ok {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the demo needs orders of at least %d whole months; %s has %d", minimumMonths, o.Orders.Name, len(s.calendar.Months))
	}
	for _, p := range []struct {
		into    **client.Client
		subject string
		role    signin.Role
	}{
		{&s.people.first, "executive-1", signin.Executive}, {&s.people.second, "executive-2", signin.Executive},
		{&s.people.manager, "manager-1", signin.Manager}, {&s.people.steward, "steward-1", signin.Steward}, {&s.people.collector, "order-file", signin.Collector},
	} {
		token, err := o.Token(p.subject, p.role)
		if err != nil {
			return nil, err
		}
		*p.into = o.Client.As(token)
	}
	return s, nil
}

// came notes a step that came true, or did not.
func (s *story) came(true bool, format string, args ...any) {
	s.steps++
	if !true {
		s.failed++
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// verdict ends the story.
func (s *story) verdict() error {
	s.chapter("Did every step come true?")
	for _, w := range s.wrong {
		s.say("  ✗ %s", w)
	}
	took := s.now().Sub(s.begun).Round(100 * time.Millisecond)
	if len(s.wrong) > 0 {
		s.say("  No: %d of %d checks failed, after %s.", s.failed, s.steps, took)
		return fmt.Errorf("%d of %d checks failed", s.failed, s.steps)
	}
	s.say("  Yes: all %d checks hold, after %s.", s.steps, took)
	return nil
}

// await looks until done returns true, an error, or the time is over.
func await(ctx context.Context, within time.Duration, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		ok, err := done(ctx)
		if ok || err != nil && !client.Passing(err) && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not come within %s", what, within)
		case <-ticker.C:
		}
	}
}
