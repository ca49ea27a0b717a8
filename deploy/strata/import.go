package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/schollz/progressbar/v3"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/wording"
)

type importCommand struct {
	remote
	columns
	File          string `arg:"" help:"File of orders, one a line: CSV, or separated by white space."`
	Source        string `help:"Id of the source it comes from." default:"order-file"`
	Register      bool   `help:"Register the source if it is not, with the owner and steward below."`
	Owner         string `help:"Who answers for the source's data." default:"head of sales"`
	Steward       string `help:"Who looks after it." default:"order data steward"`
	CompleteUntil string `help:"When everything is stored, declare the source complete until the beginning of this day (2006-01-02)." placeholder:"DAY"`
}

// columns are the flags of a mapping.
type columns struct {
	Mapping    string `help:"YAML file that says how to read the file: separator, heading, customer, date, amount, price, items, id, decimal, date_format, zone, currency, event." type:"existingfile" placeholder:"FILE"`
	Separator  string `help:"comma, semicolon, tab, space, or one character; else it is seen from the first line."`
	Heading    string `help:"Whether the first line names the columns; else it is seen." enum:",yes,no" default:""`
	Customer   string `help:"Column of the customer, by name or number." placeholder:"COLUMN"`
	Date       string `help:"Column of the date." placeholder:"COLUMN"`
	Amount     string `help:"Column of the amount, in whole units." placeholder:"COLUMN"`
	Price      string `help:"Column of the price of one item, where the file has no amount; the amount is price times items." placeholder:"COLUMN"`
	Items      string `help:"Column of the number of items." placeholder:"COLUMN"`
	ID         string `help:"Column of an id that is unique in the source; else file and row number are the id." name:"id" placeholder:"COLUMN"`
	Decimal    string `help:"Decimal mark of the numbers: point or comma; said, marks between thousands are taken out." enum:",point,comma" default:""`
	DateFormat string `help:"How dates look, such as YYYYMMDD, DD.MM.YYYY hh:mm, or M/D/YYYY h:mm AM without leading zeros." placeholder:"FORMAT"`
	FileZone   string `help:"Time zone of the file's days; UTC where none is named." placeholder:"ZONE"`
	FileMoney  string `help:"Currency of the amounts; USD where none is named." name:"file-currency" placeholder:"CODE"`
}

// mapping returns the mapping file, with the flags over it.
func (c columns) mapping() (orderfile.Mapping, error) {
	var m orderfile.Mapping
	if c.Mapping != "" {
		var err error
		if m, err = orderfile.ReadMapping(c.Mapping); err != nil {
			return m, err
		}
	}
	for _, f := range []struct {
		flag string
		into *string
	}{{c.Separator, &m.Separator}, {c.Heading, &m.Heading}, {c.Customer, &m.Customer}, {c.Date, &m.Date}, {c.Amount, &m.Amount},
		{c.Price, &m.Price}, {c.Decimal, &m.Decimal}, {c.Items, &m.Items}, {c.ID, &m.ID}, {c.DateFormat, &m.Format}, {c.FileZone, &m.Zone}, {c.FileMoney, &m.Currency}} {
		if f.flag != "" {
			*f.into = f.flag
		}
	}
	return m, nil
}

// Run imports the file. Run again after an interruption, it goes on where it stopped.
func (c *importCommand) Run(ctx context.Context, t terminal) error {
	m, err := c.mapping()
	if err != nil {
		return err
	}
	f, err := orderfile.Open(c.File, m)
	if err != nil {
		return err
	}
	cl, err := c.client(t, signin.Steward)
	if err != nil {
		return err
	}
	if err := c.source(ctx, cl, f.Mapping); err != nil {
		return err
	}
	odd(t.out, "", f)
	if err := c.send(ctx, t, cl, f); err != nil {
		return err
	}
	if c.CompleteUntil == "" {
		return nil
	}
	if _, err := cl.Complete(ctx, c.Source, c.CompleteUntil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "  Declared complete until %s: windows that end by then are measured now.\n", c.CompleteUntil)
	return err
}

// send sends the file and prints the statement once ingest has taken every row.
func (c *importCommand) send(ctx context.Context, t terminal, cl *client.Client, f *orderfile.File) error {
	told, end := progress(t, int64(len(f.Rows)))
	run, err := upload.File(ctx, cl, c.Source, f, told)
	end()
	var statement client.Statement
	if err == nil {
		statement, err = upload.Settled(ctx, cl, run.Run)
	}
	switch {
	case fault.Is(err, fault.Conflict): // somebody has to decide first
		return err
	case err != nil:
		return fmt.Errorf("%w\nrun the same command again to go on where it stopped", err)
	}
	explain(&statement, f)
	report.Say(t.out, "", fmt.Sprintf("%s, from source %s:", f.Name, c.Source))
	report.Statement(t.out, statement)
	return nil
}

// odd says what is wrong or strange with rows, before they are sent.
func odd(out io.Writer, lead string, f *orderfile.File) {
	for _, o := range f.Oddities() {
		what := "%s of %s rows: in row %d %s"
		if o.Bad {
			what = "%s of %s rows will be invalid: in row %d %s"
		}
		report.Say(out, lead, fmt.Sprintf(what, wording.Count(int64(o.Rows)), wording.Count(int64(len(f.Rows))), o.First, o.What))
	}
}

// explain says of rows that are invalid what the file has in their place: the suite knows only what it was sent.
func explain(s *client.Statement, f *orderfile.File) {
	for i := range s.Problems {
		if p := &s.Problems[i]; p.Row >= 1 && p.Row <= int64(len(f.Rows)) && f.Rows[p.Row-1].Bad != "" {
			p.Detail = f.Rows[p.Row-1].Bad
		}
	}
}

// source registers the source, or says how, if it is not.
func (c *importCommand) source(ctx context.Context, cl *client.Client, m orderfile.Mapping) error {
	have, err := cl.Sources(ctx)
	if err != nil || slices.ContainsFunc(have, func(s client.Source) bool { return s.ID == c.Source }) {
		return err
	}
	if !c.Register {
		return fault.New(fault.Invalid, fault.UnknownSource,
			"the source %s is not registered: add --register, with --owner and --steward, or name a registered one with --source", c.Source)
	}
	offers := []string{"customer_id", "order_time"}
	if m.Amount != "" || m.Price != "" {
		offers = append(offers, "order_amount")
	}
	if m.Items != "" {
		offers = append(offers, "order_items")
	}
	_, err = cl.Register(ctx, client.Source{ID: c.Source, Name: c.Source, Owner: c.Owner, Steward: c.Steward, Offers: offers, Format: "file", Trust: "verified"})
	return err
}

// progress shows a bar on a terminal, and elsewhere a line at every tenth.
func progress(t terminal, rows int64) (upload.Progress, func()) {
	if t.tty {
		bar := progressbar.NewOptions64(rows, progressbar.OptionSetWriter(t.out), progressbar.OptionSetDescription("importing"),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		return func(done, _ int64) { _ = bar.Set64(done) }, func() { _ = bar.Finish() }
	}
	return lines(t.out), func() {}
}

func lines(out io.Writer) upload.Progress {
	shown := int64(-1)
	return func(done, of int64) {
		if tenth := done * 10 / max(of, 1); tenth > shown {
			shown = tenth
			fmt.Fprintf(out, "%d of %d rows sent\n", done, of)
		}
	}
}
