package httpx

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
)

// unpack gives the handler the body as it was before it was compressed, at most limit bytes of it: a small request may
// unpack to a large one.
func (s *server) unpack(c echo.Context, limit int64) error {
	r := c.Request()
	switch r.Header.Get(echo.HeaderContentEncoding) {
	case "", "identity":
		return nil
	case "gzip":
		if matches(r, s.o.Libraries) {
			r.Body = http.MaxBytesReader(c.Response().Writer, &unpacked{packed: r.Body}, limit)
			r.ContentLength = -1
			r.Header.Del(echo.HeaderContentEncoding)
			return nil
		}
	}
	e := fault.New(fault.Invalid, fault.BadRequest, "this address takes no such encoding: send the body uncompressed")
	e.At = echo.HeaderContentEncoding
	return e
}

// unpacked begins to read when it is read from.
type unpacked struct {
	packed io.ReadCloser
	plain  *gzip.Reader
}

// Read implements io.Reader. What is no gzip is fault.Invalid.
func (u *unpacked) Read(b []byte) (n int, err error) {
	if u.plain == nil {
		if u.plain, err = gzip.NewReader(u.packed); err != nil {
			return 0, spoilt(err)
		}
	}
	n, err = u.plain.Read(b)
	if err != nil && err != io.EOF {
		err = spoilt(err)
	}
	return n, err
}

// Close implements io.Closer.
func (u *unpacked) Close() error { return u.packed.Close() }

func spoilt(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return fault.New(fault.Invalid, fault.BadRequest, "the body is not the gzip that its Content-Encoding says: send it again (%w)", err)
}
