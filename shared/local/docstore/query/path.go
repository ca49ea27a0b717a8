package query

import (
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// path is a dotted path with what matching needs to know of it.
type path struct {
	text    string
	parts   []string
	indexes []int // parts[i] as an array position, -1 where it is none
	whole   bool  // an array at the end is tested only as a whole
}

func newPath(text string, whole bool) path {
	p := path{text: text, whole: whole}
	if strings.Contains(text, ".") {
		p.parts = strings.Split(text, ".")
		p.indexes = make([]int, len(p.parts))
	} else { // as most are: one piece of memory for both
		one := &struct {
			part  [1]string
			index [1]int
		}{part: [1]string{text}}
		p.parts, p.indexes = one.part[:], one.index[:]
	}
	for i, s := range p.parts {
		n, ok := bsonx.ArrayIndex(s)
		if !ok {
			n = -1
		}
		p.indexes[i] = n
	}
	return p
}

// search tests the values that the path, from component i on, reaches in doc until one passes. Arrays on the way fan out and are
// also entered by position; an array at the end is tested by element and then as a whole. A path that ends early
// gives Missing. The index is that of the element in the outermost array, -1 where none.
func (p *path) search(doc []byte, i int, pred predicate) (bool, int) {
	v := bsonx.Lookup(doc, p.parts[i])
	for v.Type == bson.TypeEmbeddedDocument && i < len(p.parts)-1 {
		i++
		v = bsonx.Lookup(v.Value, p.parts[i])
	}
	if v.Type == bson.TypeArray {
		return p.searchArray(v, i, pred)
	}
	if i < len(p.parts)-1 {
		v = bsonx.Missing
	}
	return pred.test(v), -1
}

func (p *path) searchArray(arr bson.RawValue, i int, pred predicate) (bool, int) {
	if i == len(p.parts)-1 {
		if !p.whole {
			n := 0
			for it := bsonx.Elements(arr.Value); it.Next(); n++ {
				if pred.test(it.Value()) {
					return true, n
				}
			}
		}
		return pred.test(arr), -1
	}
	n := 0
	for it := bsonx.Elements(arr.Value); it.Next(); n++ {
		if it.Value().Type == bson.TypeEmbeddedDocument {
			if ok, _ := p.search(it.Value().Value, i+1, pred); ok {
				return true, n
			}
		}
		if n == p.indexes[i+1] && p.searchElement(it.Value(), i+1, pred) {
			return true, -1 // an element named by the path is not one that matching chose
		}
	}
	return false, -1
}

// searchElement tests the array element that component i names by position.
func (p *path) searchElement(el bson.RawValue, i int, pred predicate) bool {
	if i == len(p.parts)-1 {
		return pred.test(el)
	}
	if el.Type != bson.TypeEmbeddedDocument && el.Type != bson.TypeArray {
		return false
	}
	ok, _ := p.search(el.Value, i+1, pred)
	return ok
}
