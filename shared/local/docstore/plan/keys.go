package plan

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// covered reports whether the keys of an access tell all that the query wants to know.
func (p *Plan) covered(a access) bool { return p.Query.Count && a.exact && len(p.Query.Sort) == 0 }

// unread stands for a document that nobody looks at.
var unread bson.Raw = bsonx.NewDoc(0).Raw()

func asKeys(s source) source {
	if d, ok := s.(*docScan); ok {
		return &docKeys{docScan: d}
	}
	return &indexKeys{s.(*indexScan)}
}

// indexKeys yields the ids that an index leads to, each once, and no documents.
type indexKeys struct{ *indexScan }

func (s *indexKeys) next() (Found, bool, error) {
	id, ok, err := s.nextID()
	s.stats.KeysExamined, s.keys = s.stats.KeysExamined+s.keys, 0
	return Found{ID: id, Doc: unread}, ok && err == nil, err
}

// docKeys yields the ids of documents, and looks at no document. An id is valid until the next call.
type docKeys struct{ *docScan }

func (s *docKeys) next() (Found, bool, error) {
	for {
		if s.docs == nil && s.at >= len(s.a.ranges) {
			return Found{}, false, nil
		}
		if s.docs == nil {
			r := s.a.ranges[s.at]
			s.at++
			if r.point {
				s.stats.KeysExamined++
				if ok, err := s.t.Has(s.c, r.lower); ok || err != nil {
					return Found{ID: r.lower, Doc: unread}, err == nil, err
				}
				continue
			}
			var err error
			if s.docs, err = s.t.ScanDocs(s.c, r.lower, r.upper, s.a.reverse); err != nil {
				s.docs = nil
				return Found{}, false, err
			}
			s.docs.Lend()
		}
		id, _, ok, err := s.docs.Next()
		if ok {
			s.examined()
			return Found{ID: id, Doc: unread}, true, nil
		}
		if err = errors.Join(err, s.close()); err != nil {
			return Found{}, false, err
		}
	}
}

// examined counts a key; where nothing narrows the scan it passes by every document, and is counted as reading it.
func (s *docKeys) examined() {
	if s.a.full {
		s.stats.DocsExamined++
	} else {
		s.stats.KeysExamined++
	}
}
