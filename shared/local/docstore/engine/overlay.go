package engine

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
)

// overlay holds a transaction's own writes. What somebody may ask for by its key, documents and unique entries, is found
// through a map; the entries of the other indexes are only kept in the order of writing, since they are only ever
// scanned. The first scan puts everything in order, in a skip list, because statements may go on alternating between
// writing and scanning. A nil value is a deletion. It is used by one goroutine at a time.
type overlay struct {
	byKey   map[string]*node
	keyed   []*node            // the nodes of byKey as they came
	entries map[uint32][]*node // by index; until listed an entry may be there more than once, and the last one counts
	room    []node             // where the next nodes come from
	count   int
	bytes   int

	listed bool // all nodes are in the skip list as well, and none is there twice
	head   linked
	level  int
	rng    *rand.Rand
}

const maxLevel = 16

type node struct {
	key   string
	value []byte
	order int // of writing
}

// linked is a node in the skip list.
type linked struct {
	*node
	next []*linked
}

// newOverlay returns an overlay with room for so many keys.
func newOverlay(keys int) *overlay {
	return &overlay{byKey: make(map[string]*node, keys), keyed: make([]*node, 0, keys), entries: map[uint32][]*node{}, level: 1}
}

// seek returns the first node with a key ≥ key, and fills path with the last nodes before it on every level.
func (o *overlay) seek(key string, path *[maxLevel]*linked) *linked {
	o.list()
	at := &o.head
	for l := o.level - 1; l >= 0; l-- {
		for n := at.next[l]; n != nil && n.key < key; n = at.next[l] {
			at = n
		}
		if path != nil {
			path[l] = at
		}
	}
	return at.next[0]
}

// before returns the last node with a key < key.
func (o *overlay) before(key string) *linked {
	o.list()
	at := &o.head
	for l := o.level - 1; l >= 0; l-- {
		for n := at.next[l]; n != nil && n.key < key; n = at.next[l] {
			at = n
		}
	}
	if at == &o.head {
		return nil
	}
	return at
}

// list puts what was written so far in order.
func (o *overlay) list() {
	if o.listed {
		return
	}
	o.listed, o.rng = true, rand.New(rand.NewPCG(1, 2))
	o.head.next = make([]*linked, maxLevel)
	for _, n := range o.keyed {
		o.insert(n)
	}
	for id, nodes := range o.entries {
		o.entries[id] = slices.DeleteFunc(nodes, func(n *node) bool { return !o.insert(n) })
	}
}

// insert puts a node into the skip list. Where the key is there it only takes the value over, and returns false.
func (o *overlay) insert(n *node) bool {
	var path [maxLevel]*linked
	if at := o.seek(n.key, &path); at != nil && at.key == n.key {
		at.value = n.value
		return false
	}
	height := 1
	for height < maxLevel && o.rng.Uint32()&3 == 0 {
		height++
	}
	for ; o.level < height; o.level++ {
		path[o.level] = &o.head
	}
	in := &linked{node: n, next: make([]*linked, height)}
	for l := range height {
		in.next[l], path[l].next[l] = path[l].next[l], in
	}
	return true
}

// find returns the value written for a key of a document or unique entry; a nil overlay holds nothing.
func (o *overlay) find(key []byte) (value []byte, known bool) {
	if o == nil {
		return nil, false
	}
	if n := o.byKey[string(key)]; n != nil {
		return n.value, true
	}
	return nil, false
}

// set writes a key that find is asked for.
func (o *overlay) set(key string, value []byte) {
	if n := o.byKey[key]; n != nil {
		o.bytes += len(value) - len(n.value)
		n.value = value
		return
	}
	n := o.node(key, value)
	o.byKey[key] = n
	o.keyed = append(o.keyed, n)
	if o.listed {
		o.insert(n)
	}
}

// enter writes a key of an index that is not unique.
func (o *overlay) enter(x *Index, key string, value []byte) {
	n := o.node(key, value)
	if !o.listed || o.insert(n) {
		o.entries[x.ID] = append(o.entries[x.ID], n)
	}
}

func (o *overlay) node(key string, value []byte) *node {
	if len(o.room) == 0 {
		o.room = make([]node, min(256, o.count+8))
	}
	n := &o.room[0]
	o.room = o.room[1:]
	n.key, n.value, n.order = key, value, o.count
	o.count++
	o.bytes += len(key) + len(value)
	return n
}

// each calls f with all writes, those to one key in the order of writing. It sorts each kind of key, since Pebble takes
// neighbours faster.
func (o *overlay) each(f func(n *node) error) error {
	kinds := [][]*node{o.keyed}
	for _, nodes := range o.entries {
		kinds = append(kinds, nodes)
	}
	for _, nodes := range kinds {
		if !slices.IsSortedFunc(nodes, byKeyThenOrder) {
			slices.SortFunc(nodes, byKeyThenOrder)
		}
		for _, n := range nodes {
			if err := f(n); err != nil {
				return err
			}
		}
	}
	return nil
}

func byKeyThenOrder(a, b *node) int {
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c
	}
	return cmp.Compare(a.order, b.order)
}
