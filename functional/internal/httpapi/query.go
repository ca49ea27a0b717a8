package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/strata-crm/strata/functional/internal/query"
)

// Query implements StrictServerInterface.
func (s *Server) Query(ctx context.Context, r QueryRequestObject) (QueryResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	answer, err := query.Run(ctx, s.d.Tiles, *r.Body)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("write an answer: %w", err)
	}
	tag := tagOf(body)
	if r.Params.IfNoneMatch != nil && matches(*r.Params.IfNoneMatch, tag) {
		return Query304Response{Headers: Query304ResponseHeaders{ETag: tag}}, nil
	}
	return written{body, tag}, nil
}

// written is a Query200JSONResponse that is JSON already, since its tag is made from that.
type written struct {
	body []byte
	tag  string
}

// VisitQueryResponse implements QueryResponseObject.
func (a written) VisitQueryResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", a.tag)
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(a.body)
	return err
}

// tagOf returns the entity tag of an answer: a digest of everything in it, so that a restated window changes it.
func tagOf(answer []byte) string {
	sum := sha256.Sum256(answer)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// matches reports whether an If-None-Match names the tag (RFC 9110, section 13.1.2, weak comparison).
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}
