package fault

// Code is a reason from the one closed list that the suite uses in acknowledgements, problem documents
// (urn:strata:problem:<code>), quarantine records and null measurements.
type Code string

// Why a directive is refused or degraded.
const (
	PolicyDenied       Code = "policy_denied"
	UnknownParameter   Code = "unknown_parameter"
	UnknownMetric      Code = "unknown_metric"
	UnknownVariable    Code = "unknown_variable"
	NoPlaybook         Code = "no_playbook"
	NoSource           Code = "no_source"
	PurposeNotAllowed  Code = "purpose_not_allowed"
	UnsupportedFeature Code = "unsupported_feature"
	WidensDirective    Code = "widens_directive"
	OtherUnit          Code = "other_unit"      // the goal is in another unit than its metric
	OtherDirection     Code = "other_direction" // the goal wants its metric worse
	LowCoverage        Code = "low_coverage"
	Expired            Code = "expired"
	Superseded         Code = "superseded"
	Withdrawn          Code = "withdrawn"
	AwaitingApproval   Code = "awaiting_approval"
)

// Why a measurement has no value, or a goal cannot be measured.
const (
	NoData             Code = "no_data_yet"
	ZeroDenominator    Code = "zero_denominator"
	GroupTooSmall      Code = "group_too_small"
	LowSample          Code = "low_sample"
	ModelNotIdentified Code = "model_not_identified"
	Validity           Code = "validity"
	Refused            Code = "refused"
)

// What happened to one collected item, and why.
const (
	Accepted             Code = "accepted"
	Duplicate            Code = "duplicate"
	Quarantined          Code = "quarantined"
	NotRequested         Code = "not_requested"
	InvalidItem          Code = "invalid"
	Suppressed           Code = "suppressed"
	NotInForce           Code = "not_in_force"
	IDConflict           Code = "id_conflict"
	InFuture             Code = "in_future"
	CurrencyNotSupported Code = "currency_not_supported"
	UnknownSource        Code = "unknown_source"
	MissingField         Code = "missing_field"
	WrongType            Code = "wrong_type"
	Poison               Code = "poison"
)

// What is wrong with a request or a state.
const (
	NotSMART             Code = "not_smart"
	BadDefinition        Code = "bad_definition"
	RevisionConflict     Code = "revision_conflict"
	PreconditionFailed   Code = "precondition_failed"
	PreconditionRequired Code = "precondition_required"
	IdempotencyMismatch  Code = "idempotency_mismatch"
	InProgress           Code = "in_progress"
	OutcomeUnknown       Code = "outcome_unknown"
	SecondPersonRequired Code = "second_person_required"
	IllegalTransition    Code = "illegal_transition"
	BadRequest           Code = "bad_request"
	TooLarge             Code = "too_large"
	NotSignedIn          Code = "not_signed_in"
	RateLimited          Code = "rate_limited"
	LogChanged           Code = "log_changed"
	SetupRequired        Code = "setup_required"
	Unavailable          Code = "unavailable"
)
