package attribute

import (
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// column is one attribute of all customers. A customer is in known, and in at most one of texts, truths and numbers.
type column struct {
	known  *roaring.Bitmap
	texts  map[string]*roaring.Bitmap
	words  []string // the texts' ids are their places here, from 1
	id     map[string]uint32
	word   []uint32 // by place of the customer: the id of their text, 0 for none
	open   bool     // there are too many texts to tell them apart
	truths [2]*roaring.Bitmap
	whole  *digits // numbers without a fraction
	broken *digits // all others
}

func newColumn() *column {
	return &column{
		known: roaring.New(), texts: map[string]*roaring.Bitmap{}, id: map[string]uint32{},
		truths: [2]*roaring.Bitmap{roaring.New(), roaring.New()}, whole: newDigits(), broken: newDigits(),
	}
}

func (c *column) set(at uint32, v any) {
	if c.has(at, v) {
		return
	}
	c.clear(at)
	c.known.Add(at)
	switch v := v.(type) {
	case string:
		c.setText(at, v)
	case bool:
		c.truths[truth(v)].Add(at)
	default:
		if n, ok := numberOf(v); ok {
			c.digitsOf(n).set(at, n.order())
		}
	}
}

// has reports whether a customer's value is v already, for those that are cheap to compare.
func (c *column) has(at uint32, v any) bool {
	switch v := v.(type) {
	case string:
		return int(at) < len(c.word) && c.word[at] != 0 && c.words[c.word[at]-1] == v
	case bool:
		return c.truths[truth(v)].Contains(at)
	}
	return false
}

func truth(v bool) int {
	if v {
		return 1
	}
	return 0
}

func (c *column) digitsOf(n number) *digits {
	if n.whole {
		return c.whole
	}
	return c.broken
}

func (c *column) setText(at uint32, v string) {
	if c.open {
		return
	}
	id, ok := c.id[v]
	if !ok {
		if len(c.words) == MaxValues {
			c.open, c.texts, c.words, c.id, c.word = true, nil, nil, nil, nil
			return
		}
		v = strings.Clone(v)
		c.words = append(c.words, v)
		id = uint32(len(c.words))
		c.id[v], c.texts[v] = id, roaring.New()
	}
	for int(at) >= len(c.word) {
		c.word = append(c.word, 0)
	}
	c.word[at] = id
	c.texts[v].Add(at)
}

func (c *column) clear(at uint32) {
	if !c.known.CheckedRemove(at) {
		return
	}
	if int(at) < len(c.word) && c.word[at] != 0 {
		c.texts[c.words[c.word[at]-1]].Remove(at)
		c.word[at] = 0
	}
	c.truths[0].Remove(at)
	c.truths[1].Remove(at)
	c.whole.clear(at)
	c.broken.clear(at)
}

func (c *column) bytes() uint64 {
	n := c.known.GetSizeInBytes() + c.truths[0].GetSizeInBytes() + c.truths[1].GetSizeInBytes() + c.whole.bytes() + c.broken.bytes() + 4*uint64(len(c.word))
	for v, b := range c.texts {
		n += b.GetSizeInBytes() + uint64(2*len(v))
	}
	return n
}
