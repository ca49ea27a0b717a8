package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

type predictCommand struct {
	remote
	Kind    string  `arg:"" help:"rfm, value, alive, churn, next_purchase, segments, survival, cohorts or churn_attributes." enum:"rfm,value,alive,churn,next_purchase,segments,survival,cohorts,churn_attributes"`
	AsOf    string  `help:"What happened after this day (2006-01-02) is not looked at; today if absent." placeholder:"DAY"`
	Weeks   float64 `help:"Weeks ahead, for value and next_purchase." placeholder:"N"`
	Label   string  `help:"For churn_attributes: the parameter that says true or false of whether a customer left." placeholder:"NAME"`
	Purpose string  `help:"What the customers are looked at for, such as retention_analysis; needed for a file." placeholder:"PURPOSE"`
	Out     string  `help:"Write a row for each customer to this file: .csv, .xlsx or .parquet. It needs the right to export people." placeholder:"FILE"`
}

// Run prints what is expected of all customers together, or writes a file of each.
func (c *predictCommand) Run(ctx context.Context, t terminal) error {
	q, err := c.query(t)
	if err != nil {
		return err
	}
	cl, err := c.client(t, signin.Manager)
	if err != nil {
		return err
	}
	if c.Out == "" {
		p, err := cl.Prediction(ctx, c.Kind, q)
		if err != nil {
			return err
		}
		report.Prediction(t.out, p)
		return nil
	}
	if c.Purpose == "" {
		return fault.New(fault.Invalid, fault.BadRequest, "--out tells of people: say what for with --purpose, such as retention_analysis")
	}
	return save(ctx, t, cl, "/api/operational/v1/predictions/"+url.PathEscape(c.Kind)+"/customers", q, c.Out)
}

func (c *predictCommand) query(t terminal) (url.Values, error) {
	if c.AsOf == "" {
		c.AsOf = string(contract.DayOf(t.now(), t.now().Location()))
	}
	if _, err := contract.ParseDay(c.AsOf); err != nil {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "--as-of %s is not a day: write it as 2006-01-02", c.AsOf)
	}
	q := url.Values{"asOf": {c.AsOf}}
	if c.Weeks != 0 {
		q.Set("weeks", strconv.FormatFloat(c.Weeks, 'g', -1, 64))
	}
	for name, v := range map[string]string{"label": c.Label, "purpose": c.Purpose} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q, nil
}

type exportCommand struct {
	remote
	Table  string `arg:"" help:"series, cohorts or forecast." enum:"series,cohorts,forecast"`
	Metric string `help:"Id of a metric that a plan computes; a goal's own if only --goal is given." placeholder:"ID"`
	Goal   string `help:"The goal it is measured for, where there are several." placeholder:"ID"`
	Ahead  int    `help:"Windows of a forecast; until the goal's deadline if absent." placeholder:"N"`
	Out    string `help:"The file to write: .csv, .xlsx or .parquet." required:"" placeholder:"FILE"`
}

// Run writes the file.
func (c *exportCommand) Run(ctx context.Context, t terminal) error {
	q := url.Values{}
	for name, v := range map[string]string{"metric": c.Metric, "goal": c.Goal} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if len(q) == 0 {
		return fault.New(fault.Invalid, fault.BadRequest, "name a metric with --metric, a goal with --goal, or both")
	}
	if c.Ahead != 0 {
		q.Set("ahead", strconv.Itoa(c.Ahead))
	}
	cl, err := c.client(t, signin.Manager)
	if err != nil {
		return err
	}
	return save(ctx, t, cl, "/api/functional/v1/exports/"+url.PathEscape(c.Table), q, c.Out)
}

// save writes the file at a path, in the format that the name ends with. What is there already is replaced by a whole file or
// not at all; nobody else may read it.
func save(ctx context.Context, t terminal, cl *client.Client, path string, q url.Values, name string) error {
	format, err := export.ParseFormat(strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), "."))
	if err != nil {
		return fault.New(fault.Invalid, fault.BadRequest, "%s: let the name end with .csv, .xlsx or .parquet", name)
	}
	q.Set("format", string(format))
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // gone already where all went well
	err = cl.File(ctx, path+"?"+q.Encode(), f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return err
	}
	report.Say(t.out, "", "Written to "+name+".")
	return nil
}
