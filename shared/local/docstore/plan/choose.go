package plan

import (
	"cmp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// probe is how many index entries are counted at most to compare the candidates of a query.
const probe = 256

// Choose plans a query on a version of a collection, nil where there is none. It returns BadValue where the hint names
// no index.
//
// The rule: all of a unique key beats everything; else the candidate that reads fewest keys, counted up to a limit;
// among equals the one that also sorts, then the one with more fields bound.
func Choose(t *engine.Tx, c *engine.Collection, q Query) (*Plan, error) {
	p := &Plan{Collection: c, Query: q}
	if c == nil {
		return p, nil
	}
	if len(q.Min) > 0 || len(q.Max) > 0 {
		return p, p.between()
	}
	if q.Hinted() {
		return p, p.follow()
	}
	own := p.candidate(nil, q.Filter)
	if own.equal == len(own.fields) { // one _id: nothing can be better
		p.use(own, nil)
		return p, nil
	}
	candidates := p.candidates(t, q.Filter, own)
	best, err := p.cheapest(t, candidates)
	if err != nil {
		return nil, err
	}
	if best.full && !(best.sorts && len(q.Sort) > 0) {
		if branches, err := p.disjuncts(t); err != nil || branches != nil {
			p.branches, p.sortInMemory = branches, len(q.Sort) > 0
			return p, err
		}
	}
	p.use(best, candidates)
	return p, nil
}

func (p *Plan) use(best access, candidates []access) {
	p.branches, p.sortInMemory = []access{best}, len(p.Query.Sort) > 0 && !best.sorts
	for _, a := range candidates {
		if a.index != best.index && !(a.index == nil && a.full) {
			p.rejected = append(p.rejected, a)
		}
	}
}

// candidates returns own, which is the collection, and every usable index that narrows the search or gives the order; a partial
// one narrows it by what it leaves out, where that is all that is to be counted.
func (p *Plan) candidates(t *engine.Tx, m *query.Matcher, own access) []access {
	all := append(make([]access, 0, 1+len(p.Collection.Indexes)), own)
	for _, x := range p.Collection.Indexes {
		if !usable(x, m, t.Seq()) {
			continue
		}
		if a := p.candidate(x, m); !a.full || a.sorts && len(p.Query.Sort) > 0 || a.exact && x.Partial != nil {
			all = append(all, a)
		}
	}
	return all
}

func (p *Plan) candidate(x *engine.Index, m *query.Matcher) access {
	fields, multikey := idFields, false
	if x != nil {
		fields, multikey = x.Fields, x.Multikey()
	}
	a := indexBounds(m, fields, multikey)
	a.index, a.filter = x, m
	a.exact = p.Query.Count && isExact(a, x, multikey)
	a.sorts, a.reverse = a.serves(p.Query.Sort, multikey)
	return a
}

// isExact reports whether the ranges of an access tell all that its filter asks. x is nil for the collection itself.
func isExact(a access, x *engine.Index, multikey bool) bool {
	paths := make([]string, len(a.bounds))
	for i := range paths {
		paths[i] = a.fields[i].Path
	}
	var partial *query.Matcher
	if x != nil {
		partial = x.Partial
	}
	return a.filter.Exact(paths, multikey, partial)
}

// cheapest returns the best candidate; the first is the collection itself.
func (p *Plan) cheapest(t *engine.Tx, all []access) (access, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	for _, a := range all {
		if len(a.ranges) == 0 || a.equal == len(a.fields) && (a.index == nil || a.index.Unique) {
			return a, nil
		}
	}
	if i, only := onlyBounded(all); only {
		return all[i], nil
	}
	for i := range all {
		if err := all[i].measure(t, p.Collection); err != nil {
			return access{}, err
		}
	}
	return slices.MinFunc(all, p.compare), nil
}

// onlyBounded returns the only candidate that does not read every key: counting would choose it too.
func onlyBounded(all []access) (index int, only bool) {
	n := 0
	for i := range all {
		if !all[i].full {
			index = i
			n++
		}
	}
	return index, n == 1
}

// compare ranks two measured candidates.
func (p *Plan) compare(a, b access) int {
	return cmp.Or(cmp.Compare(a.work(), b.work()), cmp.Compare(fetching(a), fetching(b)), cmp.Compare(unsorted(a), unsorted(b)),
		cmp.Compare(len(b.bounds), len(a.bounds)), cmp.Compare(len(a.fields), len(b.fields)))
}

// work weighs what is read; what comes out of order must be sorted too.
func (a access) work() int {
	if a.sorts {
		return a.cost
	}
	return a.cost + a.cost/2
}

func fetching(a access) int {
	if a.exact {
		return 0
	}
	return 1
}

func unsorted(a access) int {
	if a.sorts {
		return 0
	}
	return 1
}

// measure counts the keys that the access would read, up to probe.
func (a *access) measure(t *engine.Tx, c *engine.Collection) error {
	if a.full {
		a.cost = 4 * probe // any bounds are safer than none
		return nil
	}
	src := access{index: a.index, ranges: a.ranges}.open(t, c, &Stats{}, &run{})
	n := 0
	var err error
	for ; n < probe; n++ {
		var ok bool
		if s, isIndex := src.(*indexScan); isIndex {
			_, ok, err = s.nextID()
		} else {
			_, ok, err = src.next()
		}
		if err != nil || !ok {
			break
		}
	}
	a.cost = n
	if cerr := src.close(); err == nil {
		err = cerr
	}
	return err
}

// disjuncts answers each branch of an $or from an index of its own; nil where a branch has none.
func (p *Plan) disjuncts(t *engine.Tx) ([]access, error) {
	var branches []access
	for _, m := range p.Query.Filter.Disjuncts() {
		best, err := p.cheapest(t, p.candidates(t, m, p.candidate(nil, m)))
		if err != nil || best.full {
			return nil, err
		}
		best.reverse = false
		branches = append(branches, best)
	}
	return branches, nil
}

// follow plans as the hint says.
func (p *Plan) follow() error {
	x, natural, err := p.hinted()
	if err != nil {
		return err
	}
	a := p.candidate(x, p.Query.Filter)
	if natural != 0 {
		a = access{ranges: []keyRange{{}}, full: true, filter: p.Query.Filter, reverse: natural < 0, exact: p.Query.Count && p.Query.Filter.MatchesAll()}
		a.sorts = len(p.Query.Sort) == 0
	}
	p.use(a, nil)
	return nil
}

func (p *Plan) hinted() (x *engine.Index, natural float64, err error) {
	h := p.Query.Hint
	if doc, ok := h.DocumentOK(); ok {
		if v := bsonx.Lookup(doc, "$natural"); !bsonx.IsMissing(v) {
			if natural, _ = bsonx.FloatOf(v); natural != 1 && natural != -1 || bsonx.Len(doc) > 1 {
				return nil, 0, mongoerr.New(mongoerr.BadValue, "$natural hint must be 1 or -1, and alone")
			}
			return nil, natural, nil
		}
		if isIDKey(doc) {
			return nil, 0, nil
		}
		for _, other := range p.Collection.Indexes {
			switch {
			case other.Hidden || !sameKey(other.Spec, doc):
			case x != nil:
				return nil, 0, mongoerr.New(mongoerr.IndexNotFound, "Hint matched multiple indexes, must hint by index name. Matched: %s and %s", x.Spec, other.Spec)
			default:
				x = other
			}
		}
		if x != nil {
			return x, 0, nil
		}
	} else if name := bsonx.StringBytes(h); name != nil {
		if string(name) == "_id_" {
			return nil, 0, nil
		}
		if x := p.Collection.Index(string(name)); x != nil && !x.Hidden {
			return x, 0, nil
		}
	}
	return nil, 0, mongoerr.New(mongoerr.BadValue, "error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index")
}

// Hinted reports whether the query says how to find its documents.
func (q Query) Hinted() bool { return !bsonx.IsMissing(q.Hint) && !isEmptyHint(q.Hint) }

func isEmptyHint(v bson.RawValue) bool {
	return v.Type == bson.TypeEmbeddedDocument && bsonx.IsEmpty(v.Value)
}

func isIDKey(doc bson.Raw) bool { return bsonx.Len(doc) == 1 && bsonx.FirstKey(doc) == "_id" }

func sameKey(spec, key bson.Raw) bool {
	have, _ := bsonx.Lookup(spec, "key").DocumentOK()
	return have != nil && bsonx.Equal(bsonx.Document(have), bsonx.Document(key))
}
