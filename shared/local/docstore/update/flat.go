package update

import (
	"encoding/binary"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Compiler compiles updates one after the other. One that resembles the update before it, in the operators and fields but
// not in the values, as the statements of a bulk write mostly do, costs little. The zero Compiler is ready; it serves one
// goroutine.
type Compiler struct {
	shape   []fieldAt // of the last flat update, in the order of its text
	scratch []simple  // the operators in the order of the text
	ops     []simple  // where the next flat update's operators go
	updates []Update  // where the next flat updates go
}

// together is how many flat updates share a piece of memory.
const together = 32

// fieldAt is a field of a flat update and its place among the sorted ones.
type fieldAt struct {
	name  string
	place int
}

// Compile is [Compile].
func (c *Compiler) Compile(u bson.RawValue, opts Options) (*Update, error) {
	if u.Type == bson.TypeEmbeddedDocument && len(opts.ArrayFilters) == 0 {
		if flat := c.flat(u.Value); len(flat) > 0 {
			return c.updateOf(flat, opts), nil
		}
	}
	return compileAny(u, opts)
}

func (c *Compiler) updateOf(flat []simple, opts Options) *Update {
	if len(c.updates) == 0 {
		c.updates = make([]Update, c.many())
	}
	u := &c.updates[0]
	c.updates = c.updates[1:]
	u.env, u.flat = opts.Env, flat
	return u
}

// many is for how many updates the next piece of memory is: for one as long as only one has come.
func (c *Compiler) many() int {
	if c.scratch == nil {
		return 1
	}
	return together
}

// room returns room for the operators of an update.
func (c *Compiler) room(n int) []simple {
	if len(c.ops) < n {
		c.ops = make([]simple, n*c.many())
	}
	out := c.ops[:n:n]
	c.ops = c.ops[n:]
	return out
}

// simple is one of the operators that a flat update is made of. It has no state but its operand.
type simple struct {
	op   simpleOp
	name string
	v    bson.RawValue
}

type simpleOp uint8

const (
	opOther simpleOp = iota
	opSet
	opSetOnInsert
	opUnset
	opInc
	opMul
	opMin
	opMax
)

func simpleOpOf(name []byte) simpleOp {
	switch string(name) {
	case "$set":
		return opSet
	case "$setOnInsert":
		return opSetOnInsert
	case "$unset":
		return opUnset
	case "$inc":
		return opInc
	case "$mul":
		return opMul
	case "$min":
		return opMin
	case "$max":
		return opMax
	}
	return opOther
}

func (s *simple) apply(st *state, v bson.RawValue) (bson.RawValue, error) {
	switch s.op {
	case opSet:
		return s.v, nil
	case opSetOnInsert:
		return setOnInsert{s.v}.apply(st, v, s.name)
	case opUnset:
		return bsonx.Missing, nil
	case opInc:
		return arithmetic{"$inc", s.v}.apply(st, v, s.name)
	case opMul:
		return arithmetic{"$mul", s.v}.apply(st, v, s.name)
	case opMin:
		return extreme{s.v, -1}.apply(st, v, s.name)
	default:
		return extreme{s.v, 1}.apply(st, v, s.name)
	}
}

// flat returns the operators of an update that touches top-level fields only, and those by simple operators, sorted by
// field as new ones are added. It returns nil for any other update, wrong ones included.
func (c *Compiler) flat(doc bson.Raw) []simple {
	out, same := c.scratch[:0], true
	if out == nil {
		out = make([]simple, 0, 4)
	}
	for it := bsonx.Elements(doc); it.Next(); {
		op := simpleOpOf(it.Key())
		if op == opOther || it.Value().Type != bson.TypeEmbeddedDocument {
			return nil
		}
		for in := bsonx.Items(it.Value()); in.Next(); {
			if (op == opInc || op == opMul) && !bsonx.IsNumber(in.Value()) {
				return nil
			}
			n := len(out)
			same = same && n < len(c.shape) && c.shape[n].name == string(in.Key())
			name := ""
			if same {
				name = c.shape[n].name
			} else if name = string(in.Key()); !plain(name) {
				return nil
			}
			out = append(out, simple{op, name, in.Value()})
		}
	}
	if !same || len(out) != len(c.shape) {
		c.learn(out)
	}
	if len(c.shape) == 0 {
		return nil
	}
	sorted := c.room(len(out))
	for i := range out {
		sorted[c.shape[i].place] = out[i]
	}
	c.scratch = out
	return sorted
}

// learn keeps the shape of a flat update; it keeps none where a field is there twice.
func (c *Compiler) learn(ops []simple) {
	c.shape = nil
	sorted := slices.Clone(ops)
	slices.SortFunc(sorted, func(a, b simple) int { return bsonx.CompareNames(a.name, b.name) })
	for i := range sorted[min(1, len(sorted)):] {
		if sorted[i].name == sorted[i+1].name {
			return
		}
	}
	c.shape = make([]fieldAt, len(ops))
	for i, o := range ops {
		c.shape[i] = fieldAt{o.name, slices.IndexFunc(sorted, func(s simple) bool { return s.name == o.name })}
	}
}

// maxFlat is how many fields one look at each of them for every field of the document is cheap for.
const maxFlat = 32

// applyFlat is applyOperators for a flat update: what stays is copied as it stands.
func (u *Update) applyFlat(doc bson.Raw, insert bool) (bson.Raw, error) {
	st := state{root: doc, index: -1, insert: insert}
	size := len(doc)
	for i := range u.flat {
		if o := &u.flat[i]; insert || o.op != opSetOnInsert {
			size += len(o.name) + len(o.v.Value) + 2
		}
	}
	var room [maxFlat]bool
	seen := room[:]
	if len(u.flat) > maxFlat {
		seen = make([]bool, len(u.flat))
	}
	out, copied := append(make([]byte, 0, size), doc[:4]...), 4
	for it := bsonx.Elements(doc); it.Next(); {
		i := u.named(it.Key())
		if i < 0 || seen[i] {
			continue
		}
		seen[i] = true
		v, err := u.flat[i].apply(&st, it.Value())
		if err != nil {
			return nil, err
		}
		end := len(doc) - it.Left()
		start := end - len(it.Value().Value) - len(it.Key()) - 2
		out = append(out, doc[copied:start]...)
		out, copied = appendField(out, u.flat[i].name, v), end
	}
	out = append(out, doc[copied:len(doc)-1]...)
	for i := range u.flat {
		if seen[i] {
			continue
		}
		v, err := u.flat[i].apply(&st, bsonx.Missing)
		if err != nil {
			return nil, err
		}
		out = appendField(out, u.flat[i].name, v)
	}
	out = append(out, 0)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return u.identified(doc, out)
}

func appendField(out []byte, name string, v bson.RawValue) []byte {
	if bsonx.IsMissing(v) {
		return out
	}
	out = append(append(append(out, byte(v.Type)), name...), 0)
	return append(out, v.Value...)
}

func (u *Update) named(key []byte) int {
	for i := range u.flat {
		if name := u.flat[i].name; len(name) == len(key) && name == string(key) {
			return i
		}
	}
	return -1
}

// identified makes sure that an update has not changed the _id, and puts it first.
func (u *Update) identified(before, after bson.Raw) (bson.Raw, error) {
	if u.named(idName) < 0 && bsonx.StartsWithID(after) {
		return after, nil
	}
	was, is := bsonx.Lookup(before, "_id"), bsonx.Lookup(after, "_id")
	if !bsonx.IsMissing(was) && !bsonx.Equal(was, is) {
		return nil, immutableID()
	}
	return bsonx.IDFirst(after), nil
}

var idName = []byte("_id")
