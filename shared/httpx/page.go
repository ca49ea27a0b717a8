package httpx

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"

	"github.com/strata-crm/strata/shared/fault"
)

// The number of items in a page.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// Page is one page of a list.
type Page[T any] struct {
	Items []T    `json:"items"`          // never null
	Next  string `json:"next,omitempty"` // the cursor of the next page; empty on the last
}

// NewPage returns the first limit of items, and a cursor made by position from the last of them where items holds
// more. Stores therefore read limit+1.
func NewPage[T, P any](items []T, limit int, position func(T) P) (Page[T], error) {
	p := Page[T]{Items: items}
	if p.Items == nil {
		p.Items = []T{}
	}
	if len(items) <= limit || limit <= 0 {
		return p, nil
	}
	p.Items = items[:limit]
	next, err := EncodeCursor(position(items[limit-1]))
	p.Next = next
	return p, err
}

// Limit returns the page size that a request asks for: [DefaultLimit] for nil, an error outside 1–[MaxLimit].
func Limit(asked *int) (int, error) {
	if asked == nil {
		return DefaultLimit, nil
	}
	if *asked < 1 || *asked > MaxLimit {
		return 0, &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: "limit", Text: "limit must be from 1 to 500"}
	}
	return *asked, nil
}

// EncodeCursor returns position, a struct of plain fields, as a text for URLs. A cursor isn't a secret and isn't
// signed: it must hold nothing but a place in a list that its bearer may read.
func EncodeCursor(position any) (string, error) {
	b, err := json.Marshal(position)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// DecodeCursor reads a cursor into position, a pointer to the struct that it was made from; unknown fields and other
// types are refused, so that no cursor brings in anything but values. An empty cursor leaves position as it is. A
// damaged one gives fault.Invalid with code bad_request.
func DecodeCursor(cursor string, position any) error {
	if cursor == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		err = d.Decode(position)
		if err == nil {
			if _, more := d.Token(); !errors.Is(more, io.EOF) {
				err = errors.New("more than one value")
			}
		}
	}
	if err != nil {
		return &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: "cursor", Err: err,
			Text: "this cursor is damaged: use \"next\" of the last page as it was received, or begin again without one"}
	}
	return nil
}
