// Package attribute counts customers by what is known of them: for every attribute it keeps compressed bitmaps of
// customers, one per value for texts and truth values, one per binary digit for numbers (O'Neil & Quass 1997, "Improved
// query performance with variant indexes", section 4). It is a cache: it states which part of the log it contains, and
// whoever has the rows can make it anew. It knows neither where attributes come from nor who may ask.
package attribute

import (
	"encoding/hex"
	"maps"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/fault"
)

// MaxValues is how many different texts an attribute may have to be counted by; one with more, such as a name, tells only
// whether it is known.
const MaxValues = 10_000

// Attributes that a customer's purchases give, as text such as 1998-06-30; the others have the names of contract.Customer's
// fields.
const (
	FirstDay = "first_day"
	LastDay  = "last_day"
)

// Attributes of a customer by name: string, bool, int64 or float64. Any other value counts as known and nothing more.
type Attributes map[string]any

// Index is the bitmaps of one tenant's customers. It is safe for concurrent use: any number count while nobody changes it.
type Index struct {
	lock     sync.RWMutex
	place    map[[16]byte]uint32 // of a customer in the bitmaps
	keys     []identity.Key      // by place; empty where a customer was removed
	free     []uint32
	all      *roaring.Bitmap
	columns  map[string]*column
	position map[int]int64
}

// New returns an index of nobody, at the beginning of every partition.
func New() *Index {
	return &Index{place: map[[16]byte]uint32{}, all: roaring.New(), columns: map[string]*column{}, position: map[int]int64{}}
}

// Change is what a customer is like now.
type Change struct {
	Customer   identity.Key
	Attributes Attributes // nil: the customer is no more
}

// Apply makes the changes and states that the index now contains the log up to the positions given, by partition; those
// of other partitions stay. It fails with fault.Invalid, having changed nothing, on a key that is not 32 hex digits.
func (x *Index) Apply(changes []Change, position map[int]int64) error {
	ids := make([][16]byte, len(changes))
	for i, c := range changes {
		if n, err := hex.Decode(ids[i][:], []byte(c.Customer)); err != nil || n != len(ids[i]) {
			return fault.New(fault.Invalid, fault.BadRequest, "a customer's key has 32 hex digits")
		}
	}
	x.lock.Lock()
	defer x.lock.Unlock()
	for i, c := range changes {
		if c.Attributes == nil {
			x.remove(ids[i])
			continue
		}
		x.put(ids[i], c)
	}
	maps.Copy(x.position, position)
	return nil
}

func (x *Index) put(id [16]byte, c Change) {
	at, known := x.place[id]
	if !known {
		at = x.newPlace(c.Customer)
		x.place[id] = at
		x.all.Add(at)
	}
	for name, col := range x.columns {
		if _, ok := c.Attributes[name]; !ok {
			col.clear(at)
		}
	}
	for name, v := range c.Attributes {
		col := x.columns[name]
		if col == nil {
			col = newColumn()
			x.columns[name] = col
		}
		col.set(at, v)
	}
}

func (x *Index) newPlace(key identity.Key) uint32 {
	if n := len(x.free); n > 0 {
		at := x.free[n-1]
		x.free = x.free[:n-1]
		x.keys[at] = key
		return at
	}
	x.keys = append(x.keys, key)
	return uint32(len(x.keys) - 1)
}

func (x *Index) remove(id [16]byte) {
	at, known := x.place[id]
	if !known {
		return
	}
	for _, col := range x.columns {
		col.clear(at)
	}
	delete(x.place, id)
	x.all.Remove(at)
	x.keys[at] = ""
	x.free = append(x.free, at)
}

// Position returns, by partition, the part of the log that the index contains.
func (x *Index) Position() map[int]int64 {
	x.lock.RLock()
	defer x.lock.RUnlock()
	return maps.Clone(x.position)
}

// Customers returns how many there are.
func (x *Index) Customers() int64 {
	x.lock.RLock()
	defer x.lock.RUnlock()
	return int64(x.all.GetCardinality())
}

// Bytes returns about how much memory the bitmaps take.
func (x *Index) Bytes() uint64 {
	x.lock.RLock()
	defer x.lock.RUnlock()
	n := x.all.GetSizeInBytes()
	for _, col := range x.columns {
		n += col.bytes()
	}
	return n
}
