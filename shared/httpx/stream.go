package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/service"
)

const (
	heartbeat   = 15 * time.Second
	writeWithin = 10 * time.Second
	reconnect   = 3 * time.Second // what a browser waits before it comes back
)

// Event is one server-sent event.
type Event struct {
	ID   string // what the browser sends back as Last-Event-ID after a lost connection; no line breaks
	Type string // the event's name for addEventListener; empty = "message"; no line breaks
	Data any    // sent as one line of JSON
}

// Stream sends events until the channel is closed, the client goes away, its token is right no longer, or the server shuts
// down; nil in all four cases. It lifts the request's timeout, sends a heartbeat every 15 s, and lets go of a client that takes nothing for
// 10 s. The sender must select on the request's context when it sends to the channel.
func Stream(c echo.Context, events <-chan Event) error {
	return StreamTo(c.Request().Context(), c.Response(), events)
}

// StreamTo is [Stream] for generated strict servers, whose responses write themselves: ctx is the request's context.
func StreamTo(ctx context.Context, w http.ResponseWriter, events <-chan Event) error {
	if t, ok := ctx.Value(timerKey{}).(*time.Timer); ok {
		t.Stop()
	}
	unlimited(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // or a proxy collects events before it passes them on
	w.WriteHeader(http.StatusOK)
	s := stream{w: w, rc: http.NewResponseController(w)}
	if !s.send(fmt.Appendf(nil, "retry: %d\n\n", reconnect.Milliseconds())) {
		return nil
	}
	return s.run(ctx, events)
}

type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (s stream) run(ctx context.Context, events <-chan Event) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var line []byte
		select {
		case <-ctx.Done():
			return nil
		case <-service.Draining(ctx):
			return nil
		case <-beat.C:
			line = []byte(": still here\n\n")
		case e, ok := <-events:
			if !ok {
				return nil
			}
			var err error
			if line, err = e.encode(); err != nil {
				return err
			}
		}
		if !stillSignedIn(ctx) || !s.send(line) {
			return nil
		}
	}
}

// send writes and flushes; false means that the client is gone. A writer without deadlines (in tests) can't hang.
func (s stream) send(b []byte) bool {
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeWithin)) //nolint:forbidigo // the socket's deadline is of the real clock
	if _, err := s.w.Write(b); err != nil {
		return false
	}
	return s.rc.Flush() == nil
}

func (e Event) encode() ([]byte, error) {
	if strings.ContainsAny(e.ID+e.Type, "\r\n\x00") {
		return nil, fmt.Errorf("event %q of type %q has a line break in its id or type", e.ID, e.Type)
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return nil, fmt.Errorf("encode event %q: %w", e.ID, err)
	}
	var b bytes.Buffer
	if e.ID != "" {
		fmt.Fprintf(&b, "id: %s\n", e.ID)
	}
	if e.Type != "" {
		fmt.Fprintf(&b, "event: %s\n", e.Type)
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	return b.Bytes(), nil
}

// LastEventID returns the id of the last event that the client has seen, or "" at its first connection. It is input:
// look it up, don't trust it.
func LastEventID(c echo.Context) string { return c.Request().Header.Get("Last-Event-ID") }
