package httpx

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
	maxStored      = 1 << 20 // bytes of an answer's body; a larger one is replayed without its body
	finishWithin   = 5 * time.Second
)

var idempotencyKey = regexp.MustCompile(`^[\x21-\x7e]{1,200}$`)

// once gives a POST that carries an Idempotency-Key its effect once: a repetition gets the first answer. Without the
// header it does nothing, and on public paths neither: without an identity, one caller could fetch another's answer.
func (s *server) once(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		who, signedIn := signin.From(r.Context())
		key := r.Header.Get(headerKey)
		if r.Method != http.MethodPost || key == "" || !signedIn {
			return next(c)
		}
		if s.o.Idempotency == nil || !idempotencyKey.MatchString(key) {
			return badKey(s.o.Idempotency == nil)
		}
		hash, err := s.hashRequest(r)
		if err != nil {
			return err
		}
		scope := strings.Join([]string{who.Tenant, who.Subject, r.Method, r.URL.Path}, "|")
		claim, stored, err := s.o.Idempotency.Begin(r.Context(), key, scope, hash)
		if err != nil {
			return err
		}
		if stored != nil {
			return replay(c.Response(), *stored)
		}
		return s.first(c, next, claim)
	}
}

func badKey(noStore bool) error {
	text := "an Idempotency-Key is 1 to 200 visible ASCII characters, best a UUID"
	if noStore {
		text = "this address keeps no answers: repeat the request without Idempotency-Key only if it had no effect"
	}
	return &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: headerKey, Text: text}
}

// hashRequest reads the body, within the limit that is already on it, and leaves it to be read again. The hash is kept for as
// long as the answer is, so it may not let anybody try which identifier a body named: it is keyed.
func (s *server) hashRequest(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the request's body cannot be read: send it again (%w)", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := sha256.New()
	if len(s.o.RequestKey) > 0 {
		h = hmac.New(sha256.New, s.o.RequestKey)
	}
	fmt.Fprintf(h, "%s\x00%s\x00", r.URL.RequestURI(), r.Header.Get(echo.HeaderContentType))
	h.Write(body)
	return h.Sum(nil), nil
}

// first does the work of a claimed key and stores the answer. Answers that blame our side or ask for another try, and a
// panic, give the claim up: the store knows whether anything was changed under it, and lets the work be done again only
// if nothing was.
func (s *server) first(c echo.Context, next echo.HandlerFunc, cl Claim) error {
	tape := &tape{ResponseWriter: c.Response().Writer, over: matches(c.Request(), s.o.Secret)}
	c.Response().Writer = tape
	var answer StoredResponse
	defer func() {
		c.Response().Writer = tape.ResponseWriter
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), finishWithin)
		defer cancel()
		if err := cl.Finish(ctx, answer); err != nil {
			s.o.Logger.ErrorContext(ctx, "the answer for an Idempotency-Key was not stored: repetitions get in_progress until the claim lapses, then outcome_unknown if something was changed",
				"request_id", RequestID(c), "error", err)
		}
	}()
	c.SetRequest(c.Request().WithContext(cl.Guard(c.Request().Context())))
	if err := next(c); err != nil {
		c.Error(err)
	}
	if status := c.Response().Status; status < 500 && status != http.StatusTooManyRequests {
		answer = StoredResponse{Status: status, Header: keptHeader(c.Response().Header()), Body: tape.body()}
	}
	return nil
}

func keptHeader(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{echo.HeaderContentType, echo.HeaderLocation, "Etag"} {
		if v := h.Values(name); len(v) > 0 {
			kept[name] = v
		}
	}
	return kept
}

func replay(w http.ResponseWriter, r StoredResponse) error {
	for name, v := range r.Header {
		w.Header()[name] = v
	}
	w.Header().Set(headerReplayed, "true")
	w.WriteHeader(r.Status)
	_, err := w.Write(r.Body)
	return err
}

// tape keeps a copy of the body that is written.
type tape struct {
	http.ResponseWriter
	copied bytes.Buffer
	over   bool
}

// Write implements io.Writer.
func (t *tape) Write(b []byte) (int, error) {
	if t.copied.Len()+len(b) > maxStored {
		t.over = true
	}
	if !t.over {
		t.copied.Write(b)
	}
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer beneath.
func (t *tape) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tape) body() []byte {
	if t.over {
		return nil
	}
	return t.copied.Bytes()
}
