package httpx

import (
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
)

const headerIfMatch = "If-Match"

// ETag returns the entity tag of a revision, as the ETag header carries it: "17" with the quotes.
func ETag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// IfMatch returns the revision in the request's If-Match header; see [ParseIfMatch].
func IfMatch(c echo.Context) (revision int64, err error) {
	return ParseIfMatch(c.Request().Header.Get(headerIfMatch))
}

// ParseIfMatch returns the revision in an If-Match header: exactly one strong tag that [ETag] has made. An empty header
// gives fault.Invalid with code precondition_required (428); any other text, "*" and weak tags too, gives fault.Invalid
// with code bad_request (400).
func ParseIfMatch(header string) (revision int64, err error) {
	if header == "" {
		return 0, fault.New(fault.Invalid, fault.PreconditionRequired,
			"this change needs the header If-Match: read the resource and send its ETag")
	}
	inner, okStart := strings.CutPrefix(header, `"`)
	inner, okEnd := strings.CutSuffix(inner, `"`)
	n, err := strconv.ParseInt(inner, 10, 64)
	if !okStart || !okEnd || err != nil || n < 0 || ETag(n) != header {
		return 0, &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: headerIfMatch,
			Text: `If-Match must be one ETag as it was received, such as "17"`}
	}
	return n, nil
}

// CheckRevision returns nil if the revision that a caller has seen is the current one, else fault.Conflict with code
// precondition_failed (412).
func CheckRevision(current, seen int64) error {
	if current == seen {
		return nil
	}
	return fault.New(fault.Conflict, fault.PreconditionFailed,
		"somebody changed this since it was read: read it again, then repeat the change with its new ETag %s", ETag(current))
}
