package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// File writes the file at path to w, of any size. After an error w may hold part of it.
func (c *Client) File(ctx context.Context, path string, w io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	answer, err := (&http.Client{Transport: c.http.Transport}).Do(r) // a file may take longer than an answer
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Unreachable{c.base, err}
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return c.read(answer, "GET "+path, nil)
	}
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fmt.Errorf("the file of %s ended early: %w", path, err)
	}
	return nil
}
