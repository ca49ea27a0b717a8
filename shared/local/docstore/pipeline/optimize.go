package pipeline

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
)

// optimize tells a $sort how many of its documents the following $limit needs, so that it keeps no more.
func optimize(list []stage) []stage {
	for i, s := range list {
		sorter, ok := s.(*sortStage)
		if !ok {
			continue
		}
		skip := int64(0)
		for _, next := range list[i+1:] {
			switch n := next.(type) {
			case *skipStage:
				skip += min(n.n, math.MaxInt64-skip)
				continue
			case *limitStage:
				sorter.keep = n.n + min(skip, math.MaxInt64-n.n)
			}
			break
		}
	}
	return list
}

// Pushdown is what the front of a pipeline asks of its input, in this order: filter, sort, skip, limit. The planner may serve it from
// an index.
type Pushdown struct {
	// Filter is the conjunction of the leading $match stages; nil means all.
	Filter bson.Raw
	// Sort is the $sort that follows; nil means none.
	Sort bson.Raw
	// Skip is the $skip that follows, Limit the $limit after it; 0 means none.
	Skip, Limit int64
}

// Front answers what the front of the pipeline asks of its input. Nothing is removed: Run still filters and sorts, so that the planner may
// use a part of it only.
func (p *Pipeline) Front() Pushdown {
	d, _ := p.front()
	return d
}

// TakePushdown is Front, and removes those stages: the caller feeds Run with documents that are filtered, sorted, skipped and limited.
func (p *Pipeline) TakePushdown() Pushdown {
	d, n := p.front()
	p.stages, p.given = p.stages[n:], p.given[n:]
	return d
}

// OnlyCounts reports whether the pipeline asks only how many documents come in, as $count does, and $group by a constant of
// constants. After [Pipeline.TakePushdown] that is asked of what was taken.
func (p *Pipeline) OnlyCounts() bool {
	if len(p.stages) == 0 {
		return false
	}
	switch s := p.stages[0].(type) {
	case *countStage:
		return true
	case *groupStage:
		_, one := expr.Constant(s.id)
		return one && !slices.ContainsFunc(s.accs, func(a *accSpec) bool {
			_, constant := expr.Constant(a.arg)
			return !constant || a.sortBy != nil
		})
	}
	return false
}

func (p *Pipeline) front() (Pushdown, int) {
	var d Pushdown
	var filters []bson.Raw
	n := 0
	for ; n < len(p.stages); n++ {
		m, ok := p.stages[n].(*matchStage)
		if !ok {
			break
		}
		filters = append(filters, m.filter)
	}
	d.Filter = conjunction(filters)
	if n < len(p.stages) {
		if s, ok := p.stages[n].(*sortStage); ok {
			d.Sort = s.spec
			n++
		}
	}
	if n < len(p.stages) {
		if s, ok := p.stages[n].(*skipStage); ok {
			d.Skip = s.n
			n++
		}
	}
	if n < len(p.stages) {
		if s, ok := p.stages[n].(*limitStage); ok {
			d.Limit = s.n
			n++
		}
	}
	return d, n
}

func conjunction(filters []bson.Raw) bson.Raw {
	switch len(filters) {
	case 0:
		return nil
	case 1:
		return filters[0]
	}
	list := bsonx.NewArray(0)
	for _, f := range filters {
		list.Append(bsonx.Document(f))
	}
	return bsonx.NewDoc(0).Append("$and", list.Value()).Raw()
}
