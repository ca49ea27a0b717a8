package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	tag, err := tagOf(answer)
	if err != nil {
		return nil, err
	}
	if r.Params.IfNoneMatch != nil && matches(*r.Params.IfNoneMatch, tag) {
		return Query304Response{Headers: Query304ResponseHeaders{ETag: tag}}, nil
	}
	return Query200JSONResponse{Body: answer, Headers: Query200ResponseHeaders{ETag: tag}}, nil
}

// tagOf returns the entity tag of an answer: a digest of everything in it, so that a restated window changes it.
func tagOf(a query.Answer) (string, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("tag an answer: %w", err)
	}
	sum := sha256.Sum256(b)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, nil
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
