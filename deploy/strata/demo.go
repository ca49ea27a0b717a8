package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/demo"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/simulate"
	"github.com/strata-crm/strata/deploy/internal/suite"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/wording"
)

// resamples of the customers give the oracle its standard error of a simulated shop's value.
const resamples = 30

type demoCommand struct {
	columns
	Orders    string `help:"File of real orders: customer, date, items, amount; or other columns, with the flags of a mapping." type:"existingfile" placeholder:"FILE"`
	Expect    string `help:"File that says what must come out; without it, a naive oracle works it out from the orders." type:"existingfile" placeholder:"FILE"`
	Customers int    `help:"Customers of the simulated shop, where no file is given." default:"3000"`
	Seed      uint64 `help:"Seed of the simulated shop." default:"1"`
	Once      bool   `help:"End with the story; exit status 0 only if every step came true."`
	Data      string `help:"Data folder; empty: a new one, removed at the end." placeholder:"DIR"`
	Listen    string `help:"Address to serve at, on loopback." default:"127.0.0.1:7070"`
	LogLevel  string `help:"debug, info, warn or error; the log goes to demo.log in the data folder." default:"info" enum:"debug,info,warn,error"`
}

// Run tells the story on a suite of its own.
func (c *demoCommand) Run(ctx context.Context, t terminal) (err error) {
	orders, about, text, err := c.orders()
	if err != nil {
		return err
	}
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer remove()
	log, err := os.OpenFile(filepath.Join(dir, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	expected, err := c.expectations(orders, text)
	if err != nil {
		return err
	}
	m := orders.Mapping
	s, err := suite.Open(ctx, suite.Options{Dir: dir, Layers: suite.Layers(), Environ: t.environ, Zone: m.Zone, Currency: m.Currency, Log: log, LogLevel: c.LogLevel, Now: t.now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	told := errTold
	serving, stop := context.WithCancel(ctx)
	defer stop()
	err = serve(serving, s, c.Listen, func(url string) error {
		fmt.Fprintf(t.out, "Strata %s runs at %s (log in %s)\n", host.Version(), url, log.Name())
		links(t.out, s, url)
		told = tell(serving, s, url, demo.Options{Orders: orders, About: about, Expected: expected, Out: t.out, Terminal: t.tty, Now: t.now})
		if c.Once || ctx.Err() != nil {
			stop()
			return nil
		}
		if told != nil {
			fmt.Fprintln(t.out, "\nstrata:", told)
		}
		fmt.Fprintf(t.out, "\nEverything goes on running at %s; the links above still work once each. Press Ctrl-C to stop.\n", url)
		return nil
	})
	if !c.Once && ctx.Err() != nil || err != nil && errors.Is(told, errTold) {
		return err // where the suite never came up, why is all there is to say
	}
	return errors.Join(told, err)
}

// errTold stays if the suite never came up.
var errTold = errors.New("the story was not told")

func tell(ctx context.Context, s *suite.Suite, url string, o demo.Options) error {
	cl, err := client.New(url, "")
	if err != nil {
		return err
	}
	o.Client = cl
	o.Token = func(subject string, roles ...signin.Role) (string, error) {
		return s.Issuer().Token(subject, roles, time.Hour)
	}
	return demo.Tell(ctx, o)
}

// orders returns the orders with what they are, and the file's text for the oracle.
func (c *demoCommand) orders() (*orderfile.File, string, []byte, error) {
	if c.Orders == "" {
		shop := simulate.Default(c.Customers, c.Seed)
		if err := shop.Check(); err != nil {
			return nil, "", nil, err
		}
		var text bytes.Buffer
		if err := simulate.Write(&text, shop.Orders()); err != nil {
			return nil, "", nil, err
		}
		f, err := orderfile.Read("simulated-shop.csv", text.Bytes(), orderfile.Mapping{Zone: c.FileZone})
		return f, "A simulated shop whose truth is known. " + shop.How(), text.Bytes(), err
	}
	m, err := c.mapping()
	if err != nil {
		return nil, "", nil, err
	}
	text, err := os.ReadFile(c.Orders)
	if err != nil {
		return nil, "", nil, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the file "+c.Orders+" cannot be read")
	}
	f, err := orderfile.Read(filepath.Base(c.Orders), text, m)
	if err != nil {
		return nil, "", nil, err
	}
	about := "Real orders."
	for _, o := range f.Oddities() {
		about += fmt.Sprintf(" In %s of them, such as row %d: %s.", wording.Count(int64(o.Rows)), o.First, o.What)
	}
	return f, about, text, nil
}

// expectations returns what must come out: read at once, or being worked out by the oracle meanwhile.
func (c *demoCommand) expectations(f *orderfile.File, text []byte) (func() oracle.Expectation, error) {
	if c.Expect != "" {
		file, err := os.Open(c.Expect)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the file of expectations cannot be read")
		}
		defer file.Close()
		e, err := oracle.ReadExpectation(file)
		return func() oracle.Expectation { return e }, err
	}
	orders, invalid, err := naive(f, text)
	if err != nil {
		return nil, err
	}
	calendar, ok := demo.CalendarOf(f.Months())
	if !ok {
		return func() oracle.Expectation { return oracle.Expectation{} }, nil // the story says that the months are too few
	}
	work := sync.OnceValue(func() oracle.Expectation {
		e := oracle.Expect(orders, oracle.Options{Last: calendar.LastDay(), Goals: calendar.Expected(), Bootstrap: resamples, Seed: c.Seed})
		e.Facts.Invalid = invalid
		e.Goals = append(e.Goals, oracle.Course{Name: "G3", Metric: "nps_month", Refused: "no_source nps"})
		return e
	})
	go work()
	return work, nil
}

// naive returns the orders as the oracle takes them, and how many rows are none. A file of the oracle's own form it reads by
// itself; of another form it gets what was read from each row, so that it checks what is computed of the rows, and not how they
// were read.
func naive(f *orderfile.File, text []byte) (orders []oracle.Order, invalid int64, err error) {
	if orders, err := oracle.Read(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))); err == nil && len(orders) == len(f.Rows) && f.Plain() {
		return orders, 0, nil
	}
	for _, r := range f.Rows {
		if r.Bad != "" || r.Customer == "" {
			invalid++
			continue
		}
		o, err := oracle.Line(r.Customer, r.Time.Format("2006-01-02"), cmp.Or(r.Items, "0"), cmp.Or(r.Amount, "0"))
		if err != nil {
			invalid++ // such as an amount of fractions of a cent
			continue
		}
		orders = append(orders, o)
	}
	if len(orders) == 0 {
		return nil, 0, fault.New(fault.Invalid, fault.BadRequest, "no row of %s is an order of a customer, a date, whole items and an amount in cents", f.Name)
	}
	return orders, invalid, nil
}

func (c *demoCommand) folder() (dir string, remove func(), err error) {
	if c.Data != "" {
		return c.Data, func() {}, os.MkdirAll(c.Data, 0o700)
	}
	dir, err = os.MkdirTemp("", "strata-demo-")
	return dir, func() { _ = os.RemoveAll(dir) }, err // a folder that stays is in the system's folder of temporary files
}
