package mongodb

import (
	"context"
	"errors"
	"fmt"

	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"
)

// The server's error codes that decide a kind (MongoDB's error_codes.yml).
const (
	codeNoSuchTransaction = 251
	codeDuplicateKey      = 11000
)

// transient are the codes after which the same call may succeed: elections, shutdowns, network trouble, conflicts
// between transactions, and limits of time.
var transient = map[int]bool{
	6: true, 7: true, 24: true, 39: true, 46: true, 50: true, 63: true, 64: true, 89: true, 91: true, 100: true, 112: true, 133: true, 134: true,
	150: true, 189: true, 202: true, 234: true, 239: true, codeNoSuchTransaction: true, 262: true, 267: true, 290: true,
	317: true, 358: true, 384: true, 402: true, 9001: true, 10107: true, 11600: true, 11601: true, 11602: true,
	13435: true, 13436: true, 14031: true,
}

var tooLarge = map[int]bool{10334: true, 17280: true, 17419: true, 17420: true}

// driverError keeps a driver's error reachable for errors.As without its text: a server's message quotes values, and
// values may be personal data.
type driverError struct {
	err  error
	text string
}

func (e *driverError) Error() string { return e.text }
func (e *driverError) Unwrap() error { return e.err }

// Fault gives a driver's error its kind: no document is NotFound; a duplicate key is Conflict, unless another error
// hides behind it; elections, lost connections, timeouts and conflicts between transactions are Transient; a document
// too large is Invalid; the rest is Internal. An error that has a kind already is returned as it is, nil stays nil.
// The text names codes and never values.
func Fault(err error) error {
	if err == nil {
		return nil
	}
	var classified *fault.Error
	if errors.As(err, &classified) {
		return err
	}
	kind, code, text := classify(err)
	return fault.Wrap(kind, code, &driverError{err: err, text: describe(err)}, text)
}

func classify(err error) (fault.Kind, fault.Code, string) {
	codes := codesOf(err)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return fault.NotFound, "", "no such document"
	case anyOf(codes, tooLarge):
		return fault.Invalid, fault.TooLarge, "the document is larger than the database allows: send less in one piece"
	case isTransient(err, codes):
		return fault.Transient, fault.Unavailable, "the database could not do this now: try again"
	case onlyDuplicates(codes):
		return fault.Conflict, "", "a document with the same key exists already"
	default:
		return fault.Internal, "", "database operation failed"
	}
}

func isTransient(err error, codes []int) bool {
	if anyOf(codes, transient) || hasLabel(err, "TransientTransactionError") || hasLabel(err, "RetryableWriteError") {
		return true
	}
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, mongo.ErrClientDisconnected) || errors.As(err, &topology.ServerSelectionError{})
}

// codesOf lists every server code in err: of the command, of each write, and of the write concern. One duplicate in a
// bulk must not hide the other failures.
func codesOf(err error) []int {
	var codes []int
	var command mongo.CommandError
	if errors.As(err, &command) {
		codes = append(codes, int(command.Code))
	}
	var write mongo.WriteException
	if errors.As(err, &write) {
		for _, e := range write.WriteErrors {
			codes = append(codes, e.Code)
		}
		codes = appendConcern(codes, write.WriteConcernError)
	}
	var bulk mongo.BulkWriteException
	if errors.As(err, &bulk) {
		for _, e := range bulk.WriteErrors {
			codes = append(codes, e.Code)
		}
		codes = appendConcern(codes, bulk.WriteConcernError)
	}
	return codes
}

func appendConcern(codes []int, e *mongo.WriteConcernError) []int {
	if e == nil {
		return codes
	}
	return append(codes, e.Code)
}

func anyOf(codes []int, set map[int]bool) bool {
	for _, c := range codes {
		if set[c] {
			return true
		}
	}
	return false
}

func onlyDuplicates(codes []int) bool {
	for _, c := range codes {
		if c != codeDuplicateKey {
			return false
		}
	}
	return len(codes) > 0
}

func hasLabel(err error, label string) bool {
	var labelled mongo.LabeledError
	return errors.As(err, &labelled) && labelled.HasErrorLabel(label)
}

func describe(err error) string {
	switch codes := codesOf(err); {
	case len(codes) == 1:
		return fmt.Sprintf("server code %d", codes[0])
	case len(codes) > 1:
		return fmt.Sprintf("server codes %v", codes)
	case mongo.IsTimeout(err):
		return "timeout"
	case mongo.IsNetworkError(err):
		return "network error"
	case errors.Is(err, mongo.ErrNoDocuments):
		return "no documents"
	case errors.Is(err, context.Canceled):
		return "canceled"
	default:
		return fmt.Sprintf("%T", err)
	}
}
