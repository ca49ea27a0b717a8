package update

import (
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// tree is one component of the paths that an update touches: a modifier at a path's end, or children.
type tree struct {
	mod  modifier
	kids []kid // in the order in which new fields are added
}

type kid struct {
	name string
	node *tree
}

func (t *tree) child(name string) *tree {
	for _, k := range t.kids {
		if k.name == name {
			return k.node
		}
	}
	return nil
}

// creates reports whether some modifier below would make fields that are not there.
func (t *tree) creates(st *state) bool {
	if t.mod != nil {
		return t.mod.creates(st)
	}
	return slices.ContainsFunc(t.kids, func(k kid) bool { return k.node.creates(st) })
}

// add puts a modifier at a path. A path that is another's, or begins another, conflicts (40).
func (t *tree) add(path string, m modifier) error {
	if plain(path) {
		return t.addPlain(path, m)
	}
	at := t
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if p == "" {
			return mongoerr.New(mongoerr.EmptyFieldName, "The update path '%s' contains an empty field name, which is not allowed.", path)
		}
		if i == 0 && isPositional(p) {
			return mongoerr.New(mongoerr.BadValue, "Cannot have positional (i.e. '$') element in the first position in path '%s'", path)
		}
		if at.mod != nil {
			return conflict(path, strings.Join(parts[:i], "."))
		}
		next := at.child(p)
		if next == nil {
			next = &tree{}
			at.insert(p, next)
		}
		at = next
	}
	if at.mod != nil || len(at.kids) > 0 {
		return conflict(path, path)
	}
	at.mod = m
	return nil
}

// plain reports whether a path is the name of one field, as most are.
func plain(path string) bool {
	return path != "" && path[0] != '$' && strings.IndexByte(path, '.') < 0
}

func (t *tree) addPlain(name string, m modifier) error {
	i, found := t.find(name)
	if found {
		return conflict(name, name)
	}
	if t.kids == nil {
		t.kids = make([]kid, 0, 8)
	}
	t.kids = slices.Insert(t.kids, i, kid{name, &tree{mod: m}})
	return nil
}

func conflict(path, with string) error {
	return mongoerr.New(mongoerr.ConflictingUpdateOperators, "Updating the path '%s' would create a conflict at '%s'", path, with)
}

func (t *tree) insert(name string, n *tree) {
	i, _ := t.find(name)
	t.kids = slices.Insert(t.kids, i, kid{name, n})
}

// find returns where the child of that name is or belongs.
func (t *tree) find(name string) (index int, found bool) {
	return slices.BinarySearchFunc(t.kids, name, func(k kid, s string) int { return bsonx.CompareNames(k.name, s) })
}

// merge joins the trees that apply to one array element.
func merge(a, b *tree, path string) (*tree, error) {
	switch {
	case a == nil:
		return b, nil
	case a.mod != nil || b.mod != nil:
		return nil, conflict(path, path)
	}
	out := &tree{kids: slices.Clone(a.kids)}
	for _, k := range b.kids {
		i := slices.IndexFunc(out.kids, func(o kid) bool { return o.name == k.name })
		if i < 0 {
			out.insert(k.name, k.node)
			continue
		}
		m, err := merge(out.kids[i].node, k.node, path+"."+k.name)
		if err != nil {
			return nil, err
		}
		out.kids[i].node = m
	}
	return out, nil
}

func isPositional(part string) bool { return part == "$" || isArrayAll(part) }

// isArrayAll tells $[] and $[identifier].
func isArrayAll(part string) bool {
	return strings.HasPrefix(part, "$[") && strings.HasSuffix(part, "]")
}
