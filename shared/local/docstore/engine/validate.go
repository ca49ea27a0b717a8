package engine

import (
	"errors"
	"fmt"
)

// Check is the result of [Engine.Validate].
type Check struct {
	Documents int
	Keys      map[string]int // entries by index name
	Problems  []string       // empty where documents and indexes agree
}

// damage notes a damaged file as a problem; it returns false for any other error.
func (c *Check) damage(what string, err error) bool {
	var damaged *Corruption
	if !errors.As(Explain(err), &damaged) {
		return false
	}
	c.Problems = append(c.Problems, what+": "+damaged.Error())
	return true
}

// Validate compares every document of a collection with every index, in one snapshot.
func (e *Engine) Validate(ns Namespace) (*Check, error) {
	t := e.Read()
	defer t.Abort()
	c := t.Collection(ns)
	if c == nil {
		return nil, ErrNotFound
	}
	check := &Check{Keys: map[string]int{}}
	expected := map[string]int{}
	whole := true
	if err := t.checkDocuments(c, check, expected); err != nil {
		if whole = false; !check.damage("documents", err) {
			return nil, err
		}
	}
	check.Keys["_id_"] = check.Documents
	if n, known := t.sizeAt(c); known && whole && n != int64(check.Documents) {
		check.Problems = append(check.Problems, fmt.Sprintf("there are %d documents, and %d are said to be there", check.Documents, n))
	}
	for _, x := range c.Indexes {
		n, err := t.countEntries(x)
		if err != nil && !check.damage("index "+x.Name, err) {
			return nil, err
		}
		if check.Keys[x.Name] = n; n != expected[x.Name] && whole && err == nil {
			check.Problems = append(check.Problems, fmt.Sprintf("index %s has %d entries, its documents have %d", x.Name, n, expected[x.Name]))
		}
	}
	return check, nil
}

func (t *Tx) checkDocuments(c *Collection, check *Check, expected map[string]int) error {
	docs, err := t.ScanDocs(c, nil, nil, false)
	if err != nil {
		return err
	}
	for {
		id, doc, ok, err := docs.Next()
		if err != nil || !ok {
			return errors.Join(err, docs.Close())
		}
		check.Documents++
		if err := doc.Validate(); err != nil {
			check.Problems = append(check.Problems, fmt.Sprintf("document with key %x: %v", id, err))
			continue
		}
		for _, x := range c.Indexes {
			if err := t.checkEntries(x, id, doc, check, expected); err != nil {
				return errors.Join(err, docs.Close())
			}
		}
	}
}

func (t *Tx) checkEntries(x *Index, id, doc []byte, check *Check, expected map[string]int) error {
	keys, _, err := x.keys(doc)
	if err != nil {
		return err
	}
	expected[x.Name] += len(keys)
	for _, k := range keys {
		key, want := x.entry(k, id)
		got, err := t.get([]byte(key))
		if err != nil {
			return err
		}
		if string(got) != string(want) {
			check.Problems = append(check.Problems, fmt.Sprintf("index %s lacks an entry of the document with key %x", x.Name, id))
		}
	}
	return nil
}

func (t *Tx) countEntries(x *Index) (n int, err error) {
	it, err := t.ScanIndex(x, nil, nil, false)
	if err != nil {
		return 0, err
	}
	for {
		_, _, ok, err := it.Next()
		if err != nil || !ok {
			return n, errors.Join(err, it.Close())
		}
		n++
	}
}
