// Package mongoerr is the one error type that the local document store answers clients with: a MongoDB code, its name,
// a message and labels. It owns the table from code to name; it does not own how an error is written on the wire.
package mongoerr

import (
	"errors"
	"fmt"
	"slices"
)

// Codes that the store answers by name. Numbers and names are MongoDB's (src/mongo/base/error_codes.yml); codes above
// 10000 are MongoDB's numbered assertions, whose name is always LocationN.
const (
	InternalError               int32 = 1
	BadValue                    int32 = 2
	NoSuchKey                   int32 = 4
	GraphContainsCycle          int32 = 5
	HostUnreachable             int32 = 6
	FailedToParse               int32 = 9
	Unauthorized                int32 = 13
	TypeMismatch                int32 = 14
	Overflow                    int32 = 15
	InvalidLength               int32 = 16
	AuthenticationFailed        int32 = 18
	IllegalOperation            int32 = 20
	NamespaceNotFound           int32 = 26
	IndexNotFound               int32 = 27
	PathNotViable               int32 = 28
	ConflictingUpdateOperators  int32 = 40
	CursorNotFound              int32 = 43
	NamespaceExists             int32 = 48
	MaxTimeMSExpired            int32 = 50
	DollarPrefixedFieldName     int32 = 52
	InvalidIDField              int32 = 53
	NotSingleValueField         int32 = 54
	EmptyFieldName              int32 = 56
	DottedFieldName             int32 = 57
	CommandNotFound             int32 = 59
	ImmutableField              int32 = 66
	CannotCreateIndex           int32 = 67
	InvalidOptions              int32 = 72
	InvalidNamespace            int32 = 73
	IndexOptionsConflict        int32 = 85
	IndexKeySpecsConflict       int32 = 86
	NetworkTimeout              int32 = 89
	ShutdownInProgress          int32 = 91
	OperationFailed             int32 = 96
	WriteConflict               int32 = 112
	CommandNotSupported         int32 = 115
	ConflictingOperation        int32 = 117
	NamespaceNotSharded         int32 = 118
	DocumentValidationFailure   int32 = 121
	ReadConcernMajorityDisabled int32 = 148
	ExceededMemoryLimit         int32 = 146
	InvalidPipelineOperator     int32 = 168
	CannotIndexParallelArrays   int32 = 171
	InvalidIndexSpecification   int32 = 197
	NoSuchSession               int32 = 206
	TransactionTooOld           int32 = 225
	MaxSubPipelineDepthExceeded int32 = 232
	NotImplemented              int32 = 238
	ConversionFailure           int32 = 241
	QueryFeatureNotAllowed      int32 = 224
	NoSuchTransaction           int32 = 251
	TransactionCommitted        int32 = 256
	OperationNotSupportedInTxn  int32 = 263
	ExceededTimeLimit           int32 = 262
	TooManyLogicalSessions      int32 = 261
	CannotBackfillArray         int32 = 34
	TransactionExceededLifetime int32 = 290
	ClusterTimeFailsRateLimiter int32 = 209
	SnapshotTooOld              int32 = 239
	UnsatisfiableWriteConcern   int32 = 100
	SearchNotEnabled            int32 = 31082
	SnapshotUnavailable         int32 = 246

	OperationNotSupportedInTransaction             = OperationNotSupportedInTxn
	QueryExceededMemoryLimitNoDiskUseAllowed int32 = 292
	APIVersionError                          int32 = 322
	APIStrictError                           int32 = 323
	SocketException                          int32 = 9001
	NotWritablePrimary                       int32 = 10107
	BSONObjectTooLarge                       int32 = 10334
	DuplicateKey                             int32 = 11000
	FileStreamFailed                         int32 = 39
	DataCorruptionDetected                   int32 = 301
	OutOfDiskSpace                           int32 = 14031
	InterruptedAtShutdown                    int32 = 11600
	Interrupted                              int32 = 11601
)

// names holds the name of each code that is not a numbered assertion.
var names = map[int32]string{
	InternalError: "InternalError", BadValue: "BadValue", NoSuchKey: "NoSuchKey", GraphContainsCycle: "GraphContainsCycle",
	HostUnreachable: "HostUnreachable", FailedToParse: "FailedToParse", Unauthorized: "Unauthorized",
	TypeMismatch: "TypeMismatch", Overflow: "Overflow", InvalidLength: "InvalidLength",
	AuthenticationFailed: "AuthenticationFailed", IllegalOperation: "IllegalOperation",
	NamespaceNotFound: "NamespaceNotFound", IndexNotFound: "IndexNotFound", PathNotViable: "PathNotViable",
	ConflictingUpdateOperators: "ConflictingUpdateOperators", CursorNotFound: "CursorNotFound",
	NamespaceExists: "NamespaceExists", MaxTimeMSExpired: "MaxTimeMSExpired",
	DollarPrefixedFieldName: "DollarPrefixedFieldName", InvalidIDField: "InvalidIdField",
	NotSingleValueField: "NotSingleValueField", EmptyFieldName: "EmptyFieldName", DottedFieldName: "DottedFieldName",
	CommandNotFound: "CommandNotFound", ImmutableField: "ImmutableField", CannotCreateIndex: "CannotCreateIndex",
	InvalidOptions: "InvalidOptions", InvalidNamespace: "InvalidNamespace",
	IndexOptionsConflict: "IndexOptionsConflict", IndexKeySpecsConflict: "IndexKeySpecsConflict",
	NetworkTimeout: "NetworkTimeout", ShutdownInProgress: "ShutdownInProgress", OperationFailed: "OperationFailed",
	WriteConflict: "WriteConflict", CommandNotSupported: "CommandNotSupported",
	ConflictingOperation: "ConflictingOperationInProgress", NamespaceNotSharded: "NamespaceNotSharded",
	DocumentValidationFailure:   "DocumentValidationFailure",
	ReadConcernMajorityDisabled: "ReadConcernMajorityNotEnabled", InvalidPipelineOperator: "InvalidPipelineOperator",
	CannotIndexParallelArrays: "CannotIndexParallelArrays", InvalidIndexSpecification: "InvalidIndexSpecificationOption",
	NoSuchSession: "NoSuchSession", TransactionTooOld: "TransactionTooOld", NotImplemented: "NotImplemented",
	ConversionFailure: "ConversionFailure", NoSuchTransaction: "NoSuchTransaction",
	TransactionCommitted: "TransactionCommitted", OperationNotSupportedInTxn: "OperationNotSupportedInTransaction",
	ExceededTimeLimit: "ExceededTimeLimit", TooManyLogicalSessions: "TooManyLogicalSessions",
	APIVersionError: "APIVersionError", APIStrictError: "APIStrictError", SocketException: "SocketException",
	NotWritablePrimary: "NotWritablePrimary", BSONObjectTooLarge: "BSONObjectTooLarge", DuplicateKey: "DuplicateKey",
	QueryFeatureNotAllowed: "QueryFeatureNotAllowed", CannotBackfillArray: "CannotBackfillArray",
	MaxSubPipelineDepthExceeded:              "MaxSubPipelineDepthExceeded",
	QueryExceededMemoryLimitNoDiskUseAllowed: "QueryExceededMemoryLimitNoDiskUseAllowed",
	TransactionExceededLifetime:              "TransactionExceededLifetimeLimitSeconds",
	DataCorruptionDetected:                   "DataCorruptionDetected", FileStreamFailed: "FileStreamFailed", OutOfDiskSpace: "OutOfDiskSpace",
	ClusterTimeFailsRateLimiter: "ClusterTimeFailsRateLimiter", SnapshotTooOld: "SnapshotTooOld", UnsatisfiableWriteConcern: "UnsatisfiableWriteConcern", SearchNotEnabled: "SearchNotEnabled", SnapshotUnavailable: "SnapshotUnavailable",
	InterruptedAtShutdown: "InterruptedAtShutdown", Interrupted: "Interrupted",
}

// NoSearch is what MongoDB answers to commands of its search service with the code SearchNotEnabled.
const NoSearch = "Using Atlas Search Database Commands and the $listSearchIndexes aggregation stage requires additional configuration. " +
	"Please connect to Atlas or an AtlasCLI local deployment to enable."

// Error labels that drivers act on.
const (
	TransientTransactionError = "TransientTransactionError"
	RetryableWriteError       = "RetryableWriteError"

	UnknownTransactionCommitResult = "UnknownTransactionCommitResult"
)

// Error is what a client sees of a failed command or write.
type Error struct {
	Code    int32
	Name    string // codeName on the wire
	Message string
	Labels  []string // errorLabels on the wire
	Info    []byte   // errInfo on the wire, a BSON document; nil where there is none
}

// Error returns the message with its code's name.
func (e *Error) Error() string { return e.Name + ": " + e.Message }

// HasLabel reports whether the error carries the label.
func (e *Error) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

// WithInfo returns a copy of the error that tells more in a BSON document.
func (e *Error) WithInfo(doc []byte) *Error {
	c := *e
	c.Info = doc
	return &c
}

// WithLabel returns a copy of the error that carries the label too.
func (e *Error) WithLabel(label string) *Error {
	c := *e
	if !c.HasLabel(label) {
		c.Labels = append(slices.Clone(e.Labels), label)
	}
	return &c
}

// New returns an error of the code, named by the table, with a formatted message.
func New(code int32, format string, args ...any) *Error {
	return &Error{Code: code, Name: NameOf(code), Message: fmt.Sprintf(format, args...)}
}

// NameOf returns the name of a code, LocationN where MongoDB has none.
func NameOf(code int32) string {
	if n, ok := names[code]; ok {
		return n
	}
	return fmt.Sprintf("Location%d", code)
}

// From returns the Error inside err. Any other error becomes InternalError with its text, nil stays nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(InternalError, "%v", err)
}

// CodeOf returns the code inside err, 0 for nil and InternalError for any other error.
func CodeOf(err error) int32 {
	if e := From(err); e != nil {
		return e.Code
	}
	return 0
}
