package httpx

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
)

// longestClaimed bounds even a long request while it holds an Idempotency-Key: its claim lapses after [ClaimLife], and
// whoever repeats the request would then do the work beside it.
const longestClaimed = ClaimLife - time.Minute

type timerKey struct{}

// limit bounds the body and the time of a request. The time ends by cancelling the request's context; it is no deadline, so
// that a stream can lift it.
func (s *server) limit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		limit := s.bodyLimit(r)
		if r.ContentLength > limit {
			return &http.MaxBytesError{Limit: limit}
		}
		r.Body = http.MaxBytesReader(c.Response().Writer, r.Body, limit)
		if err := s.unpack(c, limit); err != nil {
			return err
		}
		if matches(r, s.o.Libraries) && r.ContentLength != 0 {
			r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON) // some send JSON as a form, or as text
		}
		timeout := s.o.Timeout
		if matches(r, s.o.Long) {
			unlimited(c.Response())
			if r.Header.Get(headerKey) == "" {
				return next(c)
			}
			timeout = longestClaimed
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		timer := time.AfterFunc(timeout, func() {
			cancel(fault.New(fault.Transient, fault.Unavailable, "the request took longer than %s", timeout))
		})
		defer timer.Stop()
		c.SetRequest(r.WithContext(context.WithValue(ctx, timerKey{}, timer)))
		return next(c)
	}
}

func (s *server) bodyLimit(r *http.Request) int64 {
	// The longest pattern is the most exact one.
	best, limit := -1, s.o.BodyLimit
	for p, n := range s.o.BodyLimits {
		if match(p, echo.GetPath(r)) && len(p) > best {
			best, limit = len(p), n
		}
	}
	return limit
}

// unlimited lifts the server's own deadlines for one answer. Writers that have none (in tests) need no lifting.
func unlimited(w http.ResponseWriter) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
}
