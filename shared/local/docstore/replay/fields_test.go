package replay

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func documentOf(v bson.RawValue) bson.Raw {
	d, _ := v.DocumentOK()
	return d
}

// indexesOn returns the indexes that a case is repeated with, one list after the other: an ordinary one on each field, up and down by
// turns, and one on all; and one on each that has no entry for documents without it.
func indexesOn(paths []string) [][]bson.D {
	var lacking []bson.D
	for i, p := range paths {
		x := index(fmt.Sprintf("replay_sparse_%d", i), bson.D{{Key: p, Value: 1 - 2*((i+1)%2)}})
		if i%2 == 0 {
			lacking = append(lacking, append(x, bson.E{Key: "sparse", Value: true}))
			continue
		}
		lacking = append(lacking, append(x, bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: p, Value: bson.D{{Key: "$exists", Value: true}}}}}))
	}
	return [][]bson.D{plainIndexes(paths), lacking}
}

func plainIndexes(paths []string) (plain []bson.D) {
	all := bson.D{}
	for i, p := range paths {
		all = append(all, bson.E{Key: p, Value: 1})
		plain = append(plain, index(fmt.Sprintf("replay_%d", i), bson.D{{Key: p, Value: 1 - 2*(i%2)}}))
	}
	if len(paths) > 1 {
		plain = append(plain, index("replay_all", all))
	}
	return plain
}

func index(name string, key bson.D) bson.D {
	return bson.D{{Key: "key", Value: key}, {Key: "name", Value: name}}
}

// index makes those of the indexes that may be had, and returns how many that are: some fields have two arrays side by side,
// and some names are none for an index.
func (c *client) index(db, coll string, specs []bson.D) (made int, err error) {
	for _, spec := range specs {
		reply, err := c.run(db, must(bson.D{{Key: "createIndexes", Value: coll}, {Key: "indexes", Value: bson.A{spec}}}))
		if err != nil {
			return made, err
		}
		if code(reply) == 0 {
			made++
		}
	}
	return made, nil
}

func (c *client) unindex(db, coll string, specs []bson.D) error {
	for _, spec := range specs {
		if _, err := c.run(db, must(bson.D{{Key: "dropIndexes", Value: coll}, {Key: "index", Value: spec[1].Value}})); err != nil {
			return err
		}
	}
	return nil
}
