package engine

import "encoding/binary"

// The key space. Ids of collections and indexes are never reused, so a range that was deleted stays empty.
//
//	1 c <db> 0 <collection>          → catalogue entry (BSON)
//	1 i                              → the next id
//	1 m <coll> <index>               → the index is multikey
//	1 b <coll> <index>               → the index is being built; leftovers are removed at the next start
//	1 s <session>                    → what the session's last retryable write or transaction answered (BSON)
//	2 <coll> 0 <id>                  → document
//	2 <coll> <index> <fields> <id>   → length of <id>
//	2 <coll> <index> <fields>        → <id>, where the index is unique
const (
	spaceSystem  = 1
	spaceData    = 2
	kindCatalog  = 'c'
	kindNextID   = 'i'
	kindMulti    = 'm'
	kindBuilding = 'b'
	kindSession  = 's'
)

const documents = 0 // the index id of the documents themselves

// prefixLength is how many bytes the keys of a collection or index begin with.
const prefixLength = 9

func dataPrefix(coll, index uint32, room int) []byte {
	b := make([]byte, prefixLength, prefixLength+room)
	b[0] = spaceData
	binary.BigEndian.PutUint32(b[1:], coll)
	binary.BigEndian.PutUint32(b[5:], index)
	return b
}

func docKey(coll uint32, id []byte) []byte {
	return append(dataPrefix(coll, documents, len(id)), id...)
}

func systemKey(kind byte, parts ...[]byte) []byte {
	b := []byte{spaceSystem, kind}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func catalogKey(db, name string) []byte {
	return systemKey(kindCatalog, []byte(db), []byte{0}, []byte(name))
}

func indexStateKey(kind byte, coll, index uint32) []byte {
	b := systemKey(kind)
	b = binary.BigEndian.AppendUint32(b, coll)
	return binary.BigEndian.AppendUint32(b, index)
}

// after returns the smallest key that is greater than every key with the given prefix, or nil where there is none.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
