package engine

import "math/rand/v2"

// overlay holds a transaction's own writes in key order: a skip list, because statements alternate between writing
// and scanning. A nil value is a deletion. It is used by one goroutine at a time.
type overlay struct {
	head  node
	level int
	count int
	bytes int
	rng   *rand.Rand
}

const maxLevel = 16

type node struct {
	key   string
	value []byte
	next  []*node
}

func newOverlay() *overlay {
	return &overlay{head: node{next: make([]*node, maxLevel)}, level: 1, rng: rand.New(rand.NewPCG(1, 2))}
}

// seek returns the first node with a key ≥ key, and fills path with the last nodes before it on every level.
func (o *overlay) seek(key string, path *[maxLevel]*node) *node {
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

func (o *overlay) get(key string) (value []byte, known bool) {
	if n := o.seek(key, nil); n != nil && n.key == key {
		return n.value, true
	}
	return nil, false
}

func (o *overlay) set(key string, value []byte) {
	var path [maxLevel]*node
	if n := o.seek(key, &path); n != nil && n.key == key {
		o.bytes += len(value) - len(n.value)
		n.value = value
		return
	}
	height := 1
	for height < maxLevel && o.rng.Uint32()&3 == 0 {
		height++
	}
	for ; o.level < height; o.level++ {
		path[o.level] = &o.head
	}
	n := &node{key: key, value: value, next: make([]*node, height)}
	for l := range height {
		n.next[l], path[l].next[l] = path[l].next[l], n
	}
	o.count++
	o.bytes += len(key) + len(value)
}

func (o *overlay) each(f func(key string, value []byte)) {
	for n := o.head.next[0]; n != nil; n = n.next[0] {
		f(n.key, n.value)
	}
}
