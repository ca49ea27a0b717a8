package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

type metricCommand struct {
	Explain explainCommand `cmd:"" help:"Show how a metric is computed for a window, with the indexes used and what it costs."`
}

type explainCommand struct {
	remote
	Metric     string `arg:"" optional:"" help:"Id of a metric that a directive in force asks for."`
	Definition string `help:"File with a metric's definition instead, in YAML or JSON." type:"existingfile" placeholder:"FILE"`
	Grain      string `help:"Length of the window: day, week, month, quarter or year; else the directive's, or a month." enum:",day,week,month,quarter,year" default:""`
	Day        string `help:"A day of the window (2006-01-02); today if absent." placeholder:"DAY"`
	JSON       bool   `help:"The answer as the service gives it." name:"json"`
}

// explanation is the answer of the operational service.
type explanation struct {
	Metric       contract.MetricID              `json:"metric"`
	Version      string                         `json:"version"`
	Window       contract.Window                `json:"window"`
	Reads        []struct{ From, Until string } `json:"reads"`
	Plans        []plan                         `json:"plans"`
	Milliseconds int64                          `json:"milliseconds"`
}

type plan struct {
	Collection string            `json:"collection"`
	Pipeline   []json.RawMessage `json:"pipeline"`
	Winning    json.RawMessage   `json:"winningPlan"`
	Index      string            `json:"index"`
	Keys       int64             `json:"keysExamined"`
	Documents  int64             `json:"documentsExamined"`
}

// Run asks for the explanation and prints it.
func (c *explainCommand) Run(ctx context.Context, t terminal) error {
	body, err := c.body(t)
	if err != nil {
		return err
	}
	cl, err := c.client(t, signin.Manager)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := cl.Post(ctx, "/api/operational/v1/metrics/explain", body, &raw); err != nil {
		return err
	}
	if c.JSON {
		_, err = fmt.Fprintln(t.out, string(raw))
		return err
	}
	var e explanation
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("the suite's explanation: %w", err)
	}
	e.print(t.out)
	return nil
}

func (c *explainCommand) body(t terminal) (map[string]any, error) {
	if (c.Metric == "") == (c.Definition == "") {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "name either a metric or a file with --definition")
	}
	if c.Day == "" {
		c.Day = string(contract.DayOf(t.now(), t.now().Location()))
	}
	if _, err := contract.ParseDay(c.Day); err != nil {
		return nil, err
	}
	body := map[string]any{"day": c.Day}
	if c.Grain != "" {
		body["grain"] = c.Grain
	}
	if c.Metric != "" {
		body["metric"] = c.Metric
		return body, nil
	}
	text, err := os.ReadFile(c.Definition)
	if err != nil {
		return nil, fmt.Errorf("read a definition: %w", err)
	}
	var definition map[string]any
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "%s is not one definition in YAML or JSON: %v", c.Definition, err)
	}
	body["definition"] = definition
	return body, nil
}

func (e explanation) print(out io.Writer) {
	report.Say(out, "", fmt.Sprintf("%s %s, %s to %s", e.Metric, e.Version, e.Window.Start.Format("2006-01-02 15:04Z"), e.Window.End.Format("2006-01-02 15:04Z")))
	for _, r := range e.Reads {
		from := "from day " + r.From
		if r.From == "" {
			from = "from the first day"
		}
		report.Say(out, "  reads      ", from+" until before "+r.Until)
	}
	for _, p := range e.Plans {
		way := "as it lies"
		if p.Index != "" {
			way = "by the index " + p.Index
		}
		report.Say(out, "  collection ", p.Collection+", read "+way)
		report.Say(out, "  examined   ", fmt.Sprintf("%d keys, %d documents", p.Keys, p.Documents))
		report.Say(out, "  plan       ", string(p.Winning))
		report.Say(out, "  pipeline   ", fmt.Sprintf("%d stages", len(p.Pipeline)))
		for i, s := range p.Pipeline {
			report.Say(out, fmt.Sprintf("    %2d  ", i+1), string(s))
		}
	}
	report.Say(out, "  measured   ", fmt.Sprintf("once, in %d ms", e.Milliseconds))
}
