package plan

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// Query is what a command asks for.
type Query struct {
	Filter *query.Matcher // required
	Raw    bson.Raw       // the filter as given, for explain
	Sort   []bsonx.IndexField
	Skip   int64
	Limit  int64         // 0 means all
	Hint   bson.RawValue // an index name or key pattern; Missing means none
	Spill  string        // where a sort puts what it cannot hold in memory; empty means that it may not
	Count  bool          // only their number is asked for: the documents found may come empty

	Min, Max  bson.Raw // the first key, and the one behind the last, in the index that Hint names; empty means open
	ReturnKey bool     // the index keys that led to the documents are wanted, in Found.IndexKey
}

// Plan is a way to answer a query.
type Plan struct {
	Collection *engine.Collection // nil where it does not exist
	Query      Query

	branches     []access // read one after the other; more than one for an $or
	sortInMemory bool
	rejected     []access // the other ways that were considered, for explain
}

// access is one way to reach documents: the collection itself, or one of its indexes, within ranges of keys.
type access struct {
	index   *engine.Index // nil means the collection, in the order of _id
	fields  []bsonx.IndexField
	bounds  [][]query.Interval // of the leading fields
	ranges  []keyRange         // ascending; none where nothing can match
	reverse bool
	full    bool // no bounds: every key is read
	exact   bool // a document matches if, and only if, the ranges lead to it
	equal   int  // leading fields bound to one value each
	points  int  // leading fields bound to values
	sorts   bool // gives the order that the query wants
	filter  *query.Matcher
	cost    int
}

// keyRange is [lower, upper); nil means open. A point stands for the keys that begin with lower.
type keyRange struct {
	lower, upper []byte
	point        bool
}

func (a access) open(t *engine.Tx, c *engine.Collection, stats *Stats, r *run) source {
	if a.reverse {
		a = a.reversed()
	}
	if a.index == nil {
		r.docs = docScan{t: t, c: c, a: a, stats: stats}
		return &r.docs
	}
	r.index = indexScan{t: t, c: c, a: a, stats: stats}
	if a.index.Multikey() {
		r.index.seen = map[string]bool{}
	}
	return &r.index
}

func (a access) reversed() access {
	flipped := make([]keyRange, len(a.ranges))
	for i, r := range a.ranges {
		flipped[len(flipped)-1-i] = r
	}
	a.ranges = flipped
	return a
}

// Index returns the name of the index that the plan reads, "_id_" where it finds documents by _id, and "" where it
// reads the whole collection or several indexes.
func (p *Plan) Index() string {
	if len(p.branches) != 1 {
		return ""
	}
	return p.branches[0].name()
}

func (a access) name() string {
	switch {
	case a.index != nil:
		return a.index.Name
	case !a.full || a.sorts && len(a.fields) > 0 && a.reverse:
		return "_id_"
	default:
		return ""
	}
}
