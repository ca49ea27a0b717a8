// Package client speaks to a running suite over HTTP, as any other program would: it knows addresses, tokens and
// documents, and nothing of what is behind them.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	answerWithin = 60 * time.Second
	maxAnswer    = 64 << 20
	connections  = 64 // that wait for the next call; Go keeps 2, and makes a new one for each call of a third caller
)

// Client is one person's, or program's, way to a suite. It is safe for concurrent use.
type Client struct {
	base   string
	bearer string
	http   *http.Client
}

// New returns a client for the suite at base, such as http://127.0.0.1:7070, with the token.
func New(base, token string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is not the address of a suite: give one such as http://127.0.0.1:7070", base)
	}
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.MaxIdleConnsPerHost = connections
	return &Client{strings.TrimSuffix(base, "/"), token, &http.Client{Timeout: answerWithin, Transport: own}}, nil
}

// As returns a client with another token.
func (c *Client) As(token string) *Client { return &Client{c.base, token, c.http} }

// Base returns the suite's address.
func (c *Client) Base() string { return c.base }

// Problem is a refusal as the suite words it (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Code    string `json:"code"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// Code is the reason from the suite's closed list.
func (p *Problem) Code() string { return strings.TrimPrefix(p.Type, "urn:strata:problem:") }

// Error implements error: what is wrong, place by place.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, e := range p.Errors {
		text += "\n  " + e.Pointer + ": " + e.Detail
	}
	return fmt.Sprintf("%s (%d %s)", text, p.Status, p.Code())
}

// Unreachable is what a call returns when no answer came.
type Unreachable struct {
	Base string
	Err  error
}

// Error implements error.
func (u *Unreachable) Error() string {
	return fmt.Sprintf("nothing answers at %s: start the suite with `strata up`, or give its address with --url (%v)", u.Base, u.Err)
}

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// Passing reports whether the same call may succeed a little later: no answer, overload, or a service that is starting.
func Passing(err error) bool {
	var p *Problem
	var u *Unreachable
	if errors.As(err, &p) {
		return p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests || p.Status == http.StatusBadGateway
	}
	return errors.As(err, &u)
}

// Status returns the HTTP status of a refusal, 0 for other errors.
func Status(err error) int {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// Get reads the document at path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	_, err := c.call(ctx, http.MethodGet, path, nil, nil, out)
	return err
}

// Post sends in and reads the answer into out; either may be nil. A new Idempotency-Key goes with it.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	_, err := c.call(ctx, http.MethodPost, path, http.Header{"Idempotency-Key": {uuid.NewString()}}, in, out)
	return err
}

// Ask is Post for questions, which change nothing and need not be recognised when they come again.
func (c *Client) Ask(ctx context.Context, path string, in, out any) error {
	_, err := c.call(ctx, http.MethodPost, path, nil, in, out)
	return err
}

// Change is Post for what must not have changed since its ETag was read from at.
func (c *Client) Change(ctx context.Context, at, path string, in, out any) error {
	return c.conditional(ctx, http.MethodPost, at, path, in, out)
}

// Put replaces what is at path, if it has not changed since its ETag was read from there.
func (c *Client) Put(ctx context.Context, path string, in, out any) error {
	return c.conditional(ctx, http.MethodPut, path, path, in, out)
}

func (c *Client) conditional(ctx context.Context, method, at, path string, in, out any) error {
	var ignored json.RawMessage
	read, err := c.call(ctx, http.MethodGet, at, nil, nil, &ignored)
	if err != nil {
		return err
	}
	h := http.Header{"If-Match": {read.Get("ETag")}}
	if method == http.MethodPost {
		h.Set("Idempotency-Key", uuid.NewString())
	}
	_, err = c.call(ctx, method, path, h, in, out)
	return err
}

func (c *Client) call(ctx context.Context, method, path string, h http.Header, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	for k, v := range h {
		r.Header[k] = v
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Unreachable{c.base, err}
	}
	defer answer.Body.Close()
	return answer.Header, c.read(answer, method+" "+path, out)
}

func (c *Client) read(answer *http.Response, what string, out any) error {
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &Unreachable{c.base, err}
	}
	if answer.StatusCode >= 300 {
		p := &Problem{}
		if json.Unmarshal(b, p) != nil || p.Type == "" {
			p = &Problem{Title: what + " was answered with " + answer.Status}
		}
		p.Status = answer.StatusCode
		return p
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s: the answer is not what was expected: %w", what, err)
	}
	return nil
}

// Same reports whether the other client acts with the same token.
func (c *Client) Same(other *Client) bool { return c.bearer == other.bearer }
