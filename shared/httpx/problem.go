package httpx

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
)

const problemType = "application/problem+json"

// retryAfter is what a caller waits before it repeats a request that was refused for now, in seconds.
const retryAfter = 2

// Problem is an error answer (RFC 9457).
type Problem struct {
	Type     string  `json:"type"`               // urn:strata:problem:<code>, of the closed list in shared/fault
	Title    string  `json:"title"`              // the code in words
	Status   int     `json:"status"`             // the HTTP status
	Detail   string  `json:"detail"`             // what is wrong and what to do
	Instance string  `json:"instance,omitempty"` // the request id, to find the request in log and traces
	Errors   []Place `json:"errors,omitempty"`   // every place that is wrong
}

// Place is one wrong place in a request.
type Place struct {
	Pointer   string `json:"pointer,omitempty"`   // JSON pointer into the body (RFC 6901)
	Parameter string `json:"parameter,omitempty"` // or the name of the parameter or header
	Detail    string `json:"detail"`
}

// statuses are the codes whose HTTP status differs from that of their kind.
var statuses = map[fault.Code]int{
	fault.BadRequest:           http.StatusBadRequest,
	fault.NotSignedIn:          http.StatusUnauthorized,
	fault.PreconditionFailed:   http.StatusPreconditionFailed,
	fault.PreconditionRequired: http.StatusPreconditionRequired,
	fault.TooLarge:             http.StatusRequestEntityTooLarge,
	fault.RateLimited:          http.StatusTooManyRequests,
}

// ProblemOf returns what a caller is told about err. Only texts of fault errors are shown, and those of kind Internal
// never are. Errors joined with errors.Join, or wrapped in a fault error, each give an entry in Errors where they name
// a place.
func ProblemOf(err error, requestID string) Problem {
	var he *echo.HTTPError
	var f *fault.Error
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return problem(fault.TooLarge, http.StatusRequestEntityTooLarge, requestID,
			"the request is larger than "+strconv.FormatInt(big.Limit, 10)+" bytes: send less at once")
	case errors.As(err, &f):
		return faultProblem(err, f, requestID)
	case errors.As(err, &he):
		return echoProblem(he, requestID)
	}
	return internalProblem(fault.KindOf(err), requestID)
}

func faultProblem(err error, f *fault.Error, requestID string) Problem {
	if f.Kind == fault.Internal {
		return internalProblem(f.Kind, requestID)
	}
	status, ok := statuses[f.Code]
	if !ok {
		status = f.Kind.Status()
	}
	p := problem(fault.CodeOf(f), status, requestID, f.Text)
	p.Errors = places(err)
	if len(p.Errors) > 1 && p.Errors[0].Detail == f.Text {
		p.Detail = strconv.Itoa(len(p.Errors)) + " places in the request are wrong: see errors"
	}
	return p
}

// internalProblem tells nothing but the id by which the failure can be found. A cancelled or late call isn't a defect:
// it may be tried again.
func internalProblem(k fault.Kind, requestID string) Problem {
	if k == fault.Transient {
		return problem(fault.Unavailable, k.Status(), requestID, "the request took too long or was ended: try again")
	}
	return problem(fault.Code(fault.Internal.String()), http.StatusInternalServerError, requestID,
		"something went wrong on our side; the log tells more under the request id in \"instance\"")
}

// routing are the problems that echo itself finds; its messages are not shown, since they repeat input.
var routing = map[int]struct {
	code   fault.Code
	detail string
}{
	http.StatusBadRequest:            {fault.BadRequest, "the request cannot be read: check its JSON and its parameters"},
	http.StatusUnauthorized:          {fault.NotSignedIn, "sign in first"},
	http.StatusForbidden:             {fault.Code(fault.Denied.String()), "this is not allowed"},
	http.StatusNotFound:              {fault.Code(fault.NotFound.String()), "there is nothing at this address: check the path"},
	http.StatusMethodNotAllowed:      {fault.BadRequest, "this address does not take this method: see the Allow header"},
	http.StatusRequestEntityTooLarge: {fault.TooLarge, "the request is too large: send less at once"},
	http.StatusUnsupportedMediaType:  {fault.BadRequest, "send the body as application/json with a matching Content-Type"},
	http.StatusTooManyRequests:       {fault.RateLimited, "too many requests: wait, then try again"},
	http.StatusServiceUnavailable:    {fault.Unavailable, "the service cannot answer now: try again"},
}

func echoProblem(he *echo.HTTPError, requestID string) Problem {
	r, ok := routing[he.Code]
	if !ok {
		return internalProblem(fault.Internal, requestID)
	}
	return problem(r.code, he.Code, requestID, r.detail)
}

func problem(c fault.Code, status int, requestID, detail string) Problem {
	return Problem{
		Type: "urn:strata:problem:" + string(c), Title: title(c), Status: status, Detail: detail, Instance: requestID,
	}
}

func title(c fault.Code) string {
	s := strings.ReplaceAll(string(c), "_", " ")
	return strings.ToUpper(s[:1]) + s[1:]
}

// places collects the fault errors of err's whole tree that name a place. In a joined error, a part without a place
// concerns the whole request and is listed too, or its text would be lost.
func places(err error) []Place {
	var out []Place
	walk(err, false, func(f *fault.Error, joined bool) {
		if f.Kind == fault.Internal || (f.At == "" && !joined) {
			return
		}
		p := Place{Detail: f.Text}
		if strings.HasPrefix(f.At, "/") {
			p.Pointer = f.At
		} else {
			p.Parameter = f.At
		}
		out = append(out, p)
	})
	return out
}

// walk visits every fault error in err's tree and says whether it is a part of a join.
func walk(err error, joined bool, visit func(f *fault.Error, joined bool)) {
	if f, ok := err.(*fault.Error); ok { // every link of the chain is looked at, one by one
		visit(f, joined)
	}
	switch x := err.(type) { // same
	case interface{ Unwrap() error }:
		if next := x.Unwrap(); next != nil {
			walk(next, false, visit)
		}
	case interface{ Unwrap() []error }:
		all := x.Unwrap()
		for _, next := range all {
			walk(next, len(all) > 1, visit)
		}
	}
}

// WriteProblem answers with p; the headers that its status asks for are set.
func WriteProblem(w http.ResponseWriter, p Problem) error {
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="strata"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	case http.StatusConflict:
		if p.Type == "urn:strata:problem:"+string(fault.InProgress) {
			h.Set("Retry-After", strconv.Itoa(retryAfter))
		}
	}
	w.WriteHeader(p.Status)
	return json.NewEncoder(w).Encode(p)
}
