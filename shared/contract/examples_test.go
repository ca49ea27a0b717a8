package contract

import (
	"encoding/json"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// example is one message with every field filled that may be filled together. Where fields exclude one another, such as
// a value and the reason why there is none, a payload has several.
type example struct {
	name     string // of its golden file
	topic    string
	key      string
	envelope Envelope
	payload  Payload
	decode   func(bus.Message) (Envelope, Payload, error)
	unknown  func([]byte) []string
}

func exampleOf[T any, P interface {
	*T
	Payload
}](name, topic, kind, key string, from Layer, p P) example {
	return example{
		name: name, topic: topic, key: key, payload: p,
		envelope: Envelope{
			ID: "0190c1a2-0000-7000-8000-000000000001", Source: from, Type: kind, Subject: key, Time: at(12), Tenant: "main",
			Correlation: "sd-1", Causation: "sd-1", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		},
		decode: func(m bus.Message) (Envelope, Payload, error) {
			e, v, err := Decode[T, P](m)
			return e, P(&v), err
		},
		unknown: Unknown[T],
	}
}

func (x example) unknownIn(data []byte) int { return len(UnknownIn(x.envelope.Type, data)) }

// at returns an instant of the day that all examples play on.
func at(hour int) time.Time { return time.Date(2026, 11, 24, hour, 30, 0, 125e6, time.UTC) }

func of[T any](v T) *T { return &v }

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

func order(id DirectiveID) Order {
	return Order{
		ID: id, Revision: 1795523400125, Standing: InForce, ValidFrom: at(8), Expires: at(8).AddDate(0, 2, 0),
		Decision: decision(), Requires: []Feature{FeatureLevelGoal, FeatureMeasuredBaseline}, At: at(8),
	}
}

func decision() Decision { return Decision{ID: "pd-1", Rule: "strategic.issue", Bundle: "sha256:5f2b"} }

func scope() *Condition {
	return &Condition{All: []Condition{
		{Any: []Condition{
			{Field: "country", Op: In, Value: []any{"AT", "DE"}},
			{Field: "orders", Op: Gte, Value: 2.0},
		}},
		{Not: &Condition{Field: "email", Op: Exists, Value: false}},
	}}
}

func constraints() Constraints {
	return Constraints{
		Purposes: []Purpose{"retention_analysis"}, MinimumGroup: 10, MinimumN: 30, RequiredCoverage: .8, RetentionDays: 365, Tolerance: .1,
		Budget: &Amount{Minor: 250000, Currency: "EUR"},
	}
}

func goal() Goal {
	return Goal{
		ID: "goal-1", Revision: 1795523400120, Name: "Keep customers buying", Variable: Retention, Metric: "month_on_month_retention",
		Kind: Level, Direction: Up, Scope: scope(), Baseline: Baseline{MeasureUntil: "2026-09-30"}, Target: Target{Relative: of(.15)}, Unit: Ratio,
		Start: "2026-10-01", Deadline: "2027-03-31", Owner: "head of retention", Relevance: "Half of the revenue comes from returning customers.",
		BackTest: true, Grain: GrainMonth,
	}
}

func parameter() Parameter {
	return Parameter{
		Name: ParamOrderAmount, DataType: Transactional, Value: AmountOf, Category: "purchase", Purpose: "retention_analysis", Coverage: .8, Sparse: true,
		Owner: "head of sales", Steward: "order data steward",
		Method: Method{Kind: "file", Call: "track", Event: "Order Completed", Property: "total"},
	}
}

// definition fills every field, though no metric has one type and all of them.
func definition() Definition {
	return Definition{
		ID: "predicted_value_52w", Version: "1.2.0", Label: "Predicted 52-week value", Description: "What a customer is expected to spend.",
		Type: ModelOf, Unit: Money, Better: Up,
		Measures:  []Measure{{Name: "high", Agg: Percentile, Entity: CustomerDay, Field: "revenue", Percentile: of(.9), Filter: scope(), Offset: &Offset{1, GrainYear}}},
		Numerator: "high", Denominator: "high", Expression: "high / high", Filter: scope(),
		Retention:  &RetentionSpec{Base: "cohort", Days: 90, Period: 3},
		Model:      &ModelSpec{Name: "bg_nbd_gamma_gamma", Output: "residual_value", Horizon: 52, Discount: .1},
		Cumulative: &CumulativeSpec{Days: 28, ToDate: GrainYear},
		Conversion: &ConversionSpec{
			Base: Measure{Name: "asked", Agg: CountRows, Entity: Answer}, Converted: Measure{Name: "bought", Agg: CountRows, Entity: CustomerDay}, Days: 7,
		},
		Dimension: "buyer_kind", Parameters: []ParameterName{ParamOrderAmount}, Owner: "marketing manager", Steward: "order data steward",
	}
}

func lowCoverage() Reason {
	r := Reason{Code: fault.LowCoverage, Item: "email", Optional: true}
	return r.Figures(.38, .8)
}

func jobs() []JobSummary {
	return []JobSummary{{ID: "job-1", Kind: "collect", Item: "order_amount", State: "running", Sources: []SourceID{"shop"}, Coverage: of(.97), Events: of(int64(6919)), Bytes: of(int64(2345678)), Seconds: of(1.5)}}
}

func acknowledgement(directive DirectiveID, from Layer) *Acknowledgement {
	return &Acknowledgement{
		Directive: directive, DirectiveRevision: 1795523400125, AckRevision: 1795523401000, Layer: from, State: Degraded,
		Reasons: []Reason{lowCoverage()}, At: at(9),
		History: []Step{{State: Accepted, At: at(9), By: string(from), Reasons: []Reason{lowCoverage()}, Decision: of(decision()), Trace: trace}},
	}
}

func functionalAck() *Acknowledgement {
	a := acknowledgement("sd-1", Functional)
	a.Plan = &PlanSummary{
		ID: "plan-1", Revision: 1795523400500, Playbook: "retention", State: "active",
		Metrics: []MetricUse{{ID: "month_on_month_retention", Version: "1.0.0", Label: "Month-on-month retention", Description: "Of the customers who bought in the month before, the share who bought in this month too.", Required: true, Part: "marketing", Owner: "marketing manager"}},
		Parameters: []ParameterUse{{
			Name: ParamOrderAmount, DataType: Transactional, Purpose: "retention_analysis", Required: true, Part: "marketing",
			Owner: "head of sales", Steward: "order data steward", Coverage: of(.97), Needs: of(.8),
		}},
		Missing: []Missing{{Reason: lowCoverage(), Remedy: "raise_coverage"}}, Customers: 900,
		Operational: []OperationalSummary{{
			ID: "od-1", Part: "marketing", Revision: 1795523400600, State: Degraded, Reasons: []Reason{lowCoverage()}, At: at(9),
			Decision: of(decision()), Jobs: jobs(), Trace: trace,
		}},
		Insights: []InsightUse{{ID: "insight-1", Kind: LevelInsight, Metric: "month_on_month_retention", Tolerance: .05, Absolute: true, Part: "marketing"}},
	}
	return a
}

func operationalAck() *Acknowledgement {
	a := acknowledgement("od-1", Operational)
	a.Jobs = jobs()
	return a
}

func october() Window {
	return Window{time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
}

func measurement() *Measurement {
	return &Measurement{
		ID: "8f14e45fceea167a5a36dedd4bea2543", Revision: 1795523500000, Directive: "od-1", DirectiveRevision: 1795523400600, Strategic: "sd-1",
		Goal: "goal-1", Metric: "predicted_value_52w", Version: "1.2.0", Scope: scope(), Grain: GrainMonth, Window: october(), Closed: true,
		AsOf: at(10), Value: of(4512.25), Unit: Money, Currency: "EUR", N: 2357, Numerator: of(10635373.25), Denominator: of(2357.0),
		StdErr: of(91.5), Low: of(4332.91), High: of(4691.59), Median: of(2100.0), P90: of(9800.5),
		Quality: Quality{Coverage: map[ParameterName]float64{ParamOrderAmount: .97}, Suspects: map[string]int64{"zero_amount": 80}},
		Parts:   []Part{{Key: "newcomers", N: 357, Value: 1212.5}, {Key: "established", N: 2000, Value: 5101.27}},
		Model: &ModelFit{
			Name: "bg_nbd_gamma_gamma", Parameters: map[string]float64{"r": .24, "alpha": 4.41}, LogLikelihood: -9582.43, Customers: 2357,
			Repeaters: 946, Weeks: 39, Version: "1.0.0", State: ModelActive,
			HoldOut: heldOut(), Fit: 2,
		},
	}
}

func heldOut() *HoldOut {
	w := october()
	return &HoldOut{Weeks: 39, Customers: 2357, Predicted: 1653.4, Actual: 1882, MAE: .7855, Window: &w, Bias: of(-.1215), Coverage: of(.958)}
}

func unmeasured() *Measurement {
	m := measurement()
	m.Value, m.Reason, m.StdErr, m.Low, m.High, m.Parts, m.Model = nil, &Reason{Code: fault.GroupTooSmall}, nil, nil, nil, nil, nil
	return m
}

func insight() *Insight {
	return &Insight{
		ID: "insight-1", Revision: 1795523500100, Directive: "od-1", Strategic: "sd-1", Goal: "goal-1", Metric: "month_on_month_retention",
		Version: "1.0.0", State: "republished", Published: .28, Value: .29, HalfWidth: .01, Unit: Ratio, Tolerance: .05, N: 1800, Of: 2357, AsOf: at(10),
		Verdicts: Verdicts{Volume: Holds, Velocity: Weakening, Variety: Fails, Variability: NotEnoughData, Veracity: Holds}, Republished: 2,
		Anew: "expired", Bounded: of(true), Kind: DifferenceInsight, Label: "Month-on-month retention", Currency: "EUR", Scope: scope(), Against: scope(), Group: "newcomers",
		Grain: GrainMonth, Window: of(october()), Absolute: true, Withheld: &Reason{Code: fault.GroupTooSmall}, PublishedAt: of(at(9)),
		Cap: of(85559.0), AboveCap: of(.079),
		Findings:  []Finding{{Question: VelocityOf, Verdict: Weakening, Why: "evidence_mounts", Effect: .08, Margin: .03, Band: .1, LogE: 2.9, Windows: 7, Hidden: true, Arrived: of(.93)}},
		Looks:     []Look{{N: 600, Value: .281, HalfWidth: .03}, {N: 1800, Value: .29, HalfWidth: .01}},
		Windows:   []Shifted{{Window: october(), Effect: .08, Margin: .03}},
		Formats:   []Left{{Format: "file", Effect: -.008, Margin: .004, Gap: .96, Share: .02, Contradicts: true, Tips: true}},
		Tail:      &TailOf{Fall: .15, Margin: .024, Customers: 23, Against: true, Spread: of(1.1)},
		Unknown:   &Unverified{Share: .03, Tipping: of(1.67), ToTarget: of(.4)},
		ShelfLife: of(3.5), Alarm: true, Model: measurement().Model,
		Base: of(.27), Target: of(.3), Direction: Up, LeftOut: BySource, Rank: &RankOf{Level: .5, Published: .28, Low: .26, High: .3},
	}
}

// candidate is an insight whose value is withheld.
func candidate() *Insight {
	return &Insight{
		ID: "insight-2", Revision: 1795523500100, Directive: "od-1", Strategic: "sd-1", Goal: "goal-1", Metric: "repeat_rate", Version: "1.0.0",
		State: InsightCandidate, Unit: Ratio, Tolerance: .05, N: 120, Of: 120, AsOf: at(10),
		Verdicts: Verdicts{NotEnoughData, NotEnoughData, NotEnoughData, NotEnoughData, NotEnoughData}, Kind: LevelInsight,
		Withheld: &Reason{Code: fault.LowSample},
	}
}

func information() *Information {
	point := Point{
		Window: october(), Closed: true, Measurement: "8f14e45fceea167a5a36dedd4bea2543", Revision: 1795523500000, AsOf: at(10), Value: of(.29),
		N: 2357, StdErr: of(.009), Low: of(.272), High: of(.308), Coverage: map[ParameterName]float64{ParamOrderTime: 1}, Weeks: of(39.0),
		Model: measurement().Model.InUse(),
	}
	without := point
	without.Window = Window{october().End, october().End.AddDate(0, 1, 0)}
	without.Value, without.Reason, without.StdErr, without.Low, without.High = nil, &Reason{Code: fault.ZeroDenominator}, nil, nil, nil
	return &Information{
		Goal: "goal-1", Revision: 1795523600000, Strategic: "sd-1", Plan: "plan-1", Metric: "month_on_month_retention", Version: "1.0.0", Unit: Ratio,
		Currency: "EUR", Grain: GrainMonth, AsOf: at(10), Series: []Point{point, without},
		Trend:      &Trend{Windows: 6, Slope: .004, StdErr: .001},
		Projection: &Projection{At: "2027-03-31", Value: .31, Low: .27, High: .35, How: "linear_trend"},
		Change: &Change{
			From: Window{october().Start.AddDate(0, -1, 0), october().Start}, To: october(), Total: .01,
			Drivers: []Driver{{Key: "newcomers", Mix: -.004, Rate: .014}},
		},
		Changes: []Change{{
			From: Window{october().Start.AddDate(0, -1, 0), october().Start}, To: october(), Total: .01,
			Drivers: []Driver{{Key: "newcomers", Mix: -.004, Rate: .014}},
		}},
		Supporting: []Supporting{{Metric: "revenue_month", Version: "1.0.0", Label: "Revenue", Unit: Money, Currency: "EUR", Point: point}},
		Proposals:  []Missing{{Reason: lowCoverage(), Remedy: "raise_coverage"}},
		Notes:      []Note{{Code: ClosedBase, Window: october()}},
	}
}

func strategicDirective() *StrategicDirective {
	return &StrategicDirective{
		Order: order("sd-1"), Goal: goal(), Constraints: constraints(), Impact: HighImpact, TimeZone: "Europe/Vienna", Currency: "EUR", Supersedes: "sd-0",
	}
}

// otherForms returns d with the forms of baseline and target that exclude those of strategicDirective.
func otherForms(target Target) *StrategicDirective {
	d := strategicDirective()
	d.Goal.Baseline, d.Goal.Target = Baseline{Value: of(.25)}, target
	return d
}

func governance() *GovernanceDirective {
	return &GovernanceDirective{
		Order: order("gd-1"), Version: 3,
		Purposes: []PurposeRule{{
			Purpose: "retention_analysis", Basis: "legitimate_interest", Categories: []DataType{Identification, Transactional}, Consent: true,
		}},
		Retention: map[DataType]int{Transactional: 1095}, MinimumGroup: 10, Roles: map[string][]string{"manager": {"approve_plan"}},
		Owners:  []DataOwner{{DataType: Transactional, Owner: "head of sales", Steward: "order data steward"}},
		Regions: []string{"eu", "us"}, ApprovedBy: []string{"chief executive", "data protection officer"}, FallenInsight: FallenStatus,
		HighImpact: &HighImpactRule{Purposes: []Purpose{"value_analysis"}, DataTypes: []DataType{Conversed}, RetentionDays: 730},
	}
}

func operationalDirective() *OperationalDirective {
	return &OperationalDirective{
		Order: order("od-1"), Strategic: "sd-1", Goal: "goal-1", Plan: "plan-1", Part: "marketing",
		Collect: []Collection{{Parameter: parameter(), Required: true}},
		Compute: []Computation{{
			Metric: definition(), Scope: scope(), Grain: GrainMonth, From: "2026-01-01", Until: "2027-03-31", Required: true,
		}},
		Constraints: constraints(), TimeZone: "Europe/Vienna", Currency: "EUR",
		Insights: []InsightOrder{{
			ID: "insight-1", Kind: DifferenceInsight, Metric: definition(), Scope: scope(), Against: scope(), Grain: GrainMonth, Tolerance: .05,
			Absolute: true, LaterTolerance: .1, Until: "2027-03-31", OfLevel: true,
			Aim: &Aim{Direction: Up, Baseline: Baseline{MeasureUntil: "2026-12-31"}, Target: Target{Relative: of(.15)}},
		}},
	}
}

func customerEvent() *CustomerEvent {
	return &CustomerEvent{
		Source: "shop", ID: "order-4711", Assigned: true, Call: "track", Event: "Order Completed", CustomerKey: "b3c1f0", UserID: "c-42",
		AnonymousID: "a-7", PreviousID: "a-6", Time: at(7), OriginalTimestamp: of(at(7)), SentAt: of(at(7)), ReceivedAt: at(8),
		Parameters: map[ParameterName]json.RawMessage{ParamOrderAmount: json.RawMessage(`{"minor":1299,"currency":"EUR"}`)},
		Asked:      []Asked{{Directive: "od-1", Revision: 1795523400600, Purposes: []Purpose{"retention_analysis"}}},
		Content:    "9e107d9d372bb682", Import: &ImportRow{Run: "run-1", Row: 17}, Format: "file", Trust: "verified",
	}
}

func stateRequest() *StateRequest {
	return &StateRequest{Requester: Functional, Of: Operational, Cause: "empty_store", At: at(6)}
}

// examples returns one message of every type on every topic, and further forms where one cannot fill every field.
func examples() []example {
	return []example{
		exampleOf("strategic_directive", TopicStrategicDirectives, TypeStrategicDirective, "sd-1", Strategic, strategicDirective()),
		exampleOf("strategic_directive_value", TopicStrategicDirectives, TypeStrategicDirective, "sd-1", Strategic, otherForms(Target{Value: of(.3)})),
		exampleOf("strategic_directive_delta", TopicStrategicDirectives, TypeStrategicDirective, "sd-1", Strategic, otherForms(Target{Delta: of(.02)})),
		exampleOf("governance", TopicStrategicDirectives, TypeGovernance, "gd-1", Strategic, governance()),
		exampleOf("governance_passed_on", TopicFunctionalDirectives, TypeGovernance, "gd-1", Functional, governance()),
		exampleOf("operational_directive", TopicFunctionalDirectives, TypeOperationalDirective, "od-1", Functional, operationalDirective()),
		exampleOf("operational_acknowledgement", TopicOperationalAcks, TypeOperationalAck, "od-1", Operational, operationalAck()),
		exampleOf("functional_acknowledgement", TopicFunctionalAcks, TypeFunctionalAck, "sd-1", Functional, functionalAck()),
		exampleOf("customer_event", TopicEvents, TypeCustomerEvent, "b3c1f0", Operational, customerEvent()),
		exampleOf("measurement", TopicMeasurements, TypeMeasurement, "8f14e45fceea167a5a36dedd4bea2543", Operational, measurement()),
		exampleOf("measurement_without_value", TopicMeasurements, TypeMeasurement, "8f14e45fceea167a5a36dedd4bea2543", Operational, unmeasured()),
		exampleOf("operational_insight", TopicInsights, TypeOperationalInsight, "insight-1", Operational, insight()),
		exampleOf("operational_insight_candidate", TopicInsights, TypeOperationalInsight, "insight-2", Operational, candidate()),
		exampleOf("information", TopicInformation, TypeInformation, "goal-1", Functional, information()),
		exampleOf("functional_insight", TopicInformation, TypeFunctionalInsight, "goal-1", Functional, insight()),
		exampleOf("state_request_of_strategic", TopicStrategicRequests, TypeStateRequest, "functional", Functional,
			&StateRequest{Requester: Functional, Of: Strategic, Cause: "gap", At: at(6)}),
		exampleOf("state_request_of_functional", TopicFunctionalRequests, TypeStateRequest, "strategic", Strategic,
			&StateRequest{Requester: Strategic, Of: Functional, Cause: "gap", At: at(6)}),
		exampleOf("state_request", TopicOperationalRequests, TypeStateRequest, "functional", Functional, stateRequest()),
	}
}
