package engine

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// overlay holds a transaction's own writes. They are found by key through a map; the first scan puts them in order too,
// in a skip list, because statements may go on alternating between writing and scanning. A nil value is a deletion. It
// is used by one goroutine at a time.
type overlay struct {
	byKey  map[string]*node
	room   []node // where the next nodes come from
	listed bool   // the nodes are in the skip list as well
	head   node
	level  int
	count  int
	bytes  int
	rng    *rand.Rand
}

const maxLevel = 16

type node struct {
	key   string
	value []byte
	next  []*node
}

func newOverlay() *overlay {
	return &overlay{byKey: map[string]*node{}, level: 1}
}

// seek returns the first node with a key ≥ key, and fills path with the last nodes before it on every level.
func (o *overlay) seek(key string, path *[maxLevel]*node) *node {
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
func (o *overlay) before(key string) *node {
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
	o.head.next = make([]*node, maxLevel)
	for _, n := range o.byKey {
		o.insert(n)
	}
}

func (o *overlay) insert(n *node) {
	var path [maxLevel]*node
	o.seek(n.key, &path)
	height := 1
	for height < maxLevel && o.rng.Uint32()&3 == 0 {
		height++
	}
	for ; o.level < height; o.level++ {
		path[o.level] = &o.head
	}
	n.next = make([]*node, height)
	for l := range height {
		n.next[l], path[l].next[l] = path[l].next[l], n
	}
}

// find returns the value written for key; a nil overlay holds nothing.
func (o *overlay) find(key []byte) (value []byte, known bool) {
	if o == nil {
		return nil, false
	}
	if n := o.byKey[string(key)]; n != nil {
		return n.value, true
	}
	return nil, false
}

func (o *overlay) set(key string, value []byte) {
	if n := o.byKey[key]; n != nil {
		o.bytes += len(value) - len(n.value)
		n.value = value
		return
	}
	if len(o.room) == 0 {
		o.room = make([]node, min(256, o.count+8))
	}
	n := &o.room[0]
	o.room = o.room[1:]
	n.key, n.value = key, value
	o.byKey[key] = n
	if o.listed {
		o.insert(n)
	}
	o.count++
	o.bytes += len(key) + len(value)
}

// ordered returns all nodes in the order of their keys, in which Pebble takes them fastest.
func (o *overlay) ordered() []*node {
	all := make([]*node, 0, o.count)
	for _, n := range o.byKey {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *node) int { return cmp.Compare(a.key, b.key) })
	return all
}
