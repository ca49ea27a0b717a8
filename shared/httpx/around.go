package httpx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
)

// requestID is what a caller may choose as the id of its request: nothing that could break a log line or a header.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// RequestID returns the id of the request, as in the problem documents, the X-Request-Id header and the log.
func RequestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

type idKey struct{}

// RequestIDFrom is [RequestID] for generated strict servers, which have the request's context only; "" outside a request.
func RequestIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

// identify gives the request its id: the caller's, where it has a usable one.
func (s *server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !requestID.MatchString(id) {
			v7, err := uuid.NewV7()
			if err != nil {
				return fmt.Errorf("make a request id: %w", err)
			}
			id = v7.String()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), idKey{}, id)))
		return next(c)
	}
}

// log writes one line per request. It names the route, not the path: paths and queries can hold codes and names.
func (s *server) log(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.o.Now()
		err := next(c)
		r := c.Response()
		s.o.Logger.LogAttrs(c.Request().Context(), slog.LevelInfo, "request",
			slog.String("method", c.Request().Method), slog.String("route", c.Path()), slog.Int("status", r.Status),
			slog.Duration("took", s.o.Now().Sub(start)), slog.Int64("bytes", r.Size), slog.String("request_id", RequestID(c)))
		return err
	}
}

// answer turns the error of a route into the answer at once, so that nothing further out sees its text.
func (s *server) answer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := next(c); err != nil {
			c.Error(err)
		}
		return nil
	}
}

// survive turns a panic of a route into an internal error with its stack in the log.
func (s *server) survive(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(p) // net/http's own way of dropping a connection
			}
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}()
		return next(c)
	}
}

// fail is echo's error handler: it answers with a problem document and logs what is our own fault.
func (s *server) fail(err error, c echo.Context) {
	p := ProblemOf(err, RequestID(c))
	if p.Status >= http.StatusInternalServerError {
		level := slog.LevelError
		if fault.Is(err, fault.Transient) {
			level = slog.LevelWarn
		}
		s.o.Logger.LogAttrs(c.Request().Context(), level, "request failed", slog.String("method", c.Request().Method),
			slog.String("route", c.Path()), slog.String("request_id", p.Instance), slog.String("error", err.Error()))
	}
	if c.Response().Committed {
		return // part of the answer is on its way: the caller sees it end early
	}
	if err := WriteProblem(c.Response(), p); err != nil {
		s.o.Logger.DebugContext(c.Request().Context(), "the caller went away before the problem was written", "request_id", p.Instance)
	}
}
