package mongostore

import (
	"context"
	"encoding/json"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

var _ metric.Planner = (*Metrics)(nil)

// Plan implements metric.Planner with the store's own explain.
func (s *Metrics) Plan(ctx context.Context, q metric.Question) (metric.Plan, error) {
	c, err := s.compiler(ctx)
	if err != nil {
		return metric.Plan{}, err
	}
	collection, stages, whole, err := c.question(q)
	if err != nil {
		return metric.Plan{}, err
	}
	plan := metric.Plan{Collection: collection}
	for _, st := range stages {
		raw, err := bson.MarshalExtJSON(st, false, false)
		if err != nil {
			return plan, fmt.Errorf("write a stage as JSON: %w", err)
		}
		plan.Pipeline = append(plan.Pipeline, raw)
	}
	command := doc{{Key: "aggregate", Value: collection}, {Key: "pipeline", Value: stages}, {Key: "cursor", Value: doc{}}}
	told, err := s.explain(ctx, command, whole)
	if err == nil && !told.stats { // a store that only plans pipelines: their front is a find
		told, err = s.explain(ctx, doc{{Key: "find", Value: collection}, {Key: "filter", Value: stages[0][0].Value}}, whole)
	}
	plan.Winning, plan.Index, plan.Keys, plan.Documents = told.winning, told.index, told.keys, told.documents
	return plan, err
}

// question compiles a question, and tells whether the collection is to be read as it lies.
func (c compiler) question(q metric.Question) (collection string, stages []stage, whole bool, err error) {
	switch {
	case q.Moments != nil:
		stages, err = c.moments(*q.Moments)
		return collectionOf(q.Moments.Entity), stages, asItLies(*q.Moments), err
	case q.Order != nil:
		stages, err = c.ordered(*q.Order)
		return collectionOf(q.Order.Entity), stages, asItLies(q.Order.Query), err
	}
	stages, err = c.summaries(*q.Summaries, q.Summaries.Window.Until)
	return collectionOf(contract.CustomerDay), stages, true, err
}

func (s *Metrics) explain(ctx context.Context, command doc, whole bool) (explained, error) {
	if whole {
		command = append(command, bson.E{Key: "hint", Value: wholeScan})
	}
	var e explained
	raw, err := s.db.Database().RunCommand(ctx, doc{{Key: "explain", Value: command}, {Key: "verbosity", Value: "executionStats"}}).Raw()
	if err != nil {
		return e, fmt.Errorf("explain: %w", mongodb.Fault(err))
	}
	return e, e.read(raw)
}

// explained is what an explanation says, wherever in it: its form differs by version, engine and topology.
type explained struct {
	winning         json.RawMessage
	index           string
	keys, documents int64
	stats           bool
}

// read gathers from a document and those in it: the first winning plan, the first index, and the sums of what the parts
// that count for themselves (the cursor, lookups, shards) examined.
func (e *explained) read(raw bson.Raw) error {
	elements, err := raw.Elements()
	if err != nil {
		return fmt.Errorf("read an explanation: %w", err)
	}
	for _, el := range elements {
		switch key, v := el.Key(), el.Value(); key {
		case "rejectedPlans", "allPlansExecution", "command":
			continue
		case "winningPlan":
			if doc, ok := v.DocumentOK(); ok && e.winning == nil {
				if e.winning, err = bson.MarshalExtJSON(doc, false, false); err != nil {
					return fmt.Errorf("write a plan as JSON: %w", err)
				}
			}
		case "indexName":
			if name, ok := v.StringValueOK(); ok && e.index == "" {
				e.index = name
			}
		case "totalKeysExamined", "totalDocsExamined":
			n, _ := v.AsInt64OK()
			if e.stats = true; key == "totalKeysExamined" {
				e.keys += n
			} else {
				e.documents += n
			}
		}
		if err := e.within(el.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (e *explained) within(v bson.RawValue) error {
	if doc, ok := v.DocumentOK(); ok {
		return e.read(doc)
	}
	if array, ok := v.ArrayOK(); ok {
		return e.read(bson.Raw(array))
	}
	return nil
}
