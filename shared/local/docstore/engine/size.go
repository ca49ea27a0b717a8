package engine

// size is how many documents a collection has. Where it is not known, because the store was opened over the collection, n
// counts from an unknown beginning, which the first question finds out.
type size struct {
	n     int64
	known bool
}

// growth is by how much a transaction's writes change the size of a collection.
type growth struct {
	of *collState
	by int64
}

// grow notes that the transaction has written a document that was not there, or deleted one.
func (t *Tx) grow(of *collState, by int64) {
	for i := range t.growth {
		if t.growth[i].of == of {
			t.growth[i].by += by
			return
		}
	}
	t.growth = append(t.growth, growth{of, by})
}

// Count returns how many documents a collection has now, with the number to give to [Engine.WaitDurable] before anybody is
// told who wants to hear of what lasts. The first call after the store was opened reads all keys, the others nothing.
func (e *Engine) Count(c *Collection) (n int64, seq uint64, err error) {
	e.commit.Lock()
	if s := &c.state.size; s.known {
		defer e.commit.Unlock()
		return s.n, e.seq, nil
	}
	e.commit.Unlock()
	return e.learn(c, func(v *view) (int64, error) { return v.count(dataPrefix(c.ID, documents, 0)) })
}

// learn finds the size out with scan, which counts what a view shows; others may write meanwhile.
func (e *Engine) learn(c *Collection, scan func(v *view) (int64, error)) (n int64, seq uint64, err error) {
	e.commit.Lock()
	v, before := e.look(), c.state.size.n
	e.commit.Unlock()
	n, err = scan(v)
	e.commit.Lock()
	defer e.commit.Unlock()
	e.leave(v)
	if err != nil {
		return 0, 0, err
	}
	if s := &c.state.size; !s.known {
		s.n, s.known = s.n+n-before, true
	}
	return c.state.size.n, e.seq, nil
}

// count returns how many keys begin with prefix.
func (v *view) count(prefix []byte) (n int64, err error) {
	it, err := v.iterator(prefix, after(prefix))
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, v.giveBack(it)
}

// sizeAt returns how many documents the collection is said to have, where that is known of what the transaction sees.
func (t *Tx) sizeAt(c *Collection) (n int64, known bool) {
	t.e.commit.Lock()
	defer t.e.commit.Unlock()
	return c.state.size.n, c.state.size.known && t.e.seq == t.seq
}

// Has reports whether there is a document with that id key.
func (t *Tx) Has(c *Collection, id []byte) (bool, error) { return t.has(docKey(c.ID, id)) }
