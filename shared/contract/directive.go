package contract

import (
	"slices"
	"time"
)

// Feature is something that a directive needs its receiver to understand; an unknown one is refused with
// unsupported_feature. Every new constraint is a feature.
type Feature string

// The features that this release understands.
const (
	FeatureReachGoal        Feature = "goal.reach"
	FeatureLevelGoal        Feature = "goal.level"
	FeatureMeasuredBaseline Feature = "baseline.measured"
	FeatureRelativeTarget   Feature = "target.relative"
	FeatureBackTest         Feature = "goal.back_test"
	FeatureScope            Feature = "goal.scope"
	FeatureMinimumGroup     Feature = "constraint.minimum_group"
	FeaturePurposes         Feature = "constraint.purposes"
	FeatureCoverage         Feature = "constraint.coverage"
	FeatureRetention        Feature = "constraint.retention"
	FeatureEvidence         Feature = "constraint.evidence"
	FeatureBudget           Feature = "constraint.budget" // of no release yet: nothing here spends, so nothing could keep to it
)

// Features returns every feature that this release understands.
func Features() []Feature {
	return []Feature{
		FeatureReachGoal, FeatureLevelGoal, FeatureMeasuredBaseline, FeatureRelativeTarget, FeatureBackTest, FeatureScope,
		FeatureMinimumGroup, FeaturePurposes, FeatureCoverage, FeatureRetention, FeatureEvidence,
	}
}

// Unsupported returns those of required that this release does not understand.
func Unsupported(required []Feature) []Feature {
	var unknown []Feature
	for _, f := range required {
		if !slices.Contains(Features(), f) {
			unknown = append(unknown, f)
		}
	}
	return unknown
}

// Standing says whether a directive is to be carried out. Ended directives stay as tombstones.
type Standing string

// The standings.
const (
	InForce       Standing = "in_force"
	WithdrawnEnd  Standing = "withdrawn"
	SupersededEnd Standing = "superseded"
	ExpiredEnd    Standing = "expired"
)

// Ended reports whether the directive is over.
func (s Standing) Ended() bool { return s != InForce }

// Order is what every directive carries.
type Order struct {
	ID        DirectiveID `json:"id"`
	Revision  int64       `json:"revision"`
	Standing  Standing    `json:"standing"`
	ValidFrom time.Time   `json:"validFrom"` // wall clock
	Expires   time.Time   `json:"expires"`   // wall clock
	Decision  Decision    `json:"decision"`  // the policy decision that let it be issued
	Requires  []Feature   `json:"requires,omitempty"`
	At        time.Time   `json:"at"` // when this revision was made
}

// ActiveAt reports whether the directive is in force at the wall-clock instant t.
func (o *Order) ActiveAt(t time.Time) bool {
	return o.Standing == InForce && !t.Before(o.ValidFrom) && t.Before(o.Expires)
}

func (o *Order) check(at string) error {
	switch {
	case o.ID == "" || o.Revision <= 0:
		return invalid(at, "needs an id and a positive revision")
	case !slices.Contains([]Standing{InForce, WithdrawnEnd, SupersededEnd, ExpiredEnd}, o.Standing):
		return invalid(at+".standing", "must be in_force, withdrawn, superseded or expired")
	case o.ValidFrom.IsZero() || !o.Expires.After(o.ValidFrom):
		return invalid(at+".expires", "must lie after validFrom")
	}
	return nil
}

// Impact of a directive; high impact needs a second person.
type Impact string

// The two impacts.
const (
	NormalImpact Impact = "normal"
	HighImpact   Impact = "high"
)

// Amount is money in minor units.
type Amount struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

// Constraints bound everything that is done to carry a directive out. A layer below may narrow them, never widen.
type Constraints struct {
	Purposes         []Purpose `json:"purposes"`
	MinimumGroup     int       `json:"minimumGroup"`     // groups below are suppressed
	MinimumN         int       `json:"minimumN"`         // fewer customers decide nothing
	RequiredCoverage float64   `json:"requiredCoverage"` // share of customers, 0..1
	RetentionDays    int       `json:"retentionDays"`    // of what is collected for it
	Tolerance        float64   `json:"tolerance"`        // relative half-width wanted of the metric's 95 % interval
	Budget           *Amount   `json:"budget,omitempty"` // a directive that has one is refused as an unsupported feature
}

// StrategicDirective carries one goal down.
type StrategicDirective struct {
	Order
	Goal        Goal        `json:"goal"`
	Constraints Constraints `json:"constraints"`
	Impact      Impact      `json:"impact"`
	TimeZone    string      `json:"timeZone"` // IANA name; the tenant's
	Currency    string      `json:"currency"` // the tenant's reporting currency
	Supersedes  DirectiveID `json:"supersedes,omitempty"`
}

// Check implements Payload.
func (d *StrategicDirective) Check() error {
	if err := d.Order.check("directive"); err != nil {
		return err
	}
	return d.Goal.Check()
}

// GovernanceDirective is the company's versioned rules for all layers. It is passed on unchanged, and loaded as policy
// data by every layer.
type GovernanceDirective struct {
	Order
	Version      int                 `json:"version"`
	Purposes     []PurposeRule       `json:"purposes"`
	Retention    map[DataType]int    `json:"retentionDays"`
	MinimumGroup int                 `json:"minimumGroup"`
	Roles        map[string][]string `json:"roles"` // role → what it may do
	Owners       []DataOwner         `json:"owners"`
	Regions      []string            `json:"regions"`    // where data may be; shown, and enforced by whoever runs the databases
	ApprovedBy   []string            `json:"approvedBy"` // two different subjects (people of the company, by function)
	// FallenInsight is what a fallen verdict on the insight that a goal rests on does to the goal; empty: its proof.
	FallenInsight FallenInsight   `json:"fallenInsight,omitempty"`
	HighImpact    *HighImpactRule `json:"highImpact,omitempty"` // none: only what is kept for longer than its purposes' strictest type may be
}

// HighImpactRule says which directives need a second person, whatever whoever drafts them says: those that meet any of it.
type HighImpactRule struct {
	Purposes      []Purpose  `json:"purposes,omitempty"`      // for one of these
	DataTypes     []DataType `json:"dataTypes,omitempty"`     // whose purposes cover one of these
	RetentionDays int        `json:"retentionDays,omitempty"` // whose data are kept for longer; 0: than the strictest type of data of their purposes may be
}

// FallenInsight is what of a goal a fallen verdict changes.
type FallenInsight string

// What a fallen verdict changes. The status is then not_measurable(validity), unless it was decided before.
const (
	FallenProof  FallenInsight = "proof"
	FallenStatus FallenInsight = "status"
)

// PurposeRule allows a purpose for some categories of data.
type PurposeRule struct {
	Purpose    Purpose    `json:"purpose"`
	Basis      string     `json:"basis"` // legal basis, such as legitimate_interest
	Categories []DataType `json:"categories"`
	Consent    bool       `json:"consent,omitempty"` // only for customers who consented
}

// DataOwner names who answers for a type of data.
type DataOwner struct {
	DataType DataType `json:"dataType"`
	Owner    string   `json:"owner"`
	Steward  string   `json:"steward"`
}

// Check implements Payload.
func (d *GovernanceDirective) Check() error {
	if err := d.Order.check("governance"); err != nil {
		return err
	}
	if len(d.Purposes) == 0 || d.MinimumGroup < 1 || d.Version < 1 {
		return invalid("governance", "needs a version, purposes and a minimum group")
	}
	return nil
}

// OperationalDirective tells the operational layer what to collect, compute and send up, for which purpose, until when.
// Its id is a hash of the strategic directive and the plan's part, so that a rebuilt layer goes on with the same one.
type OperationalDirective struct {
	Order
	Strategic   DirectiveID    `json:"strategic"`
	Goal        GoalID         `json:"goal"`
	Plan        PlanID         `json:"plan"`
	Part        string         `json:"part"` // functional unit: marketing, sales or service
	Collect     []Collection   `json:"collect"`
	Compute     []Computation  `json:"compute"`
	Constraints Constraints    `json:"constraints"`
	TimeZone    string         `json:"timeZone"`
	Currency    string         `json:"currency"`
	Insights    []InsightOrder `json:"insights,omitempty"`
}

// Check implements Payload.
func (d *OperationalDirective) Check() error {
	if err := d.Order.check("directive"); err != nil {
		return err
	}
	if d.Strategic == "" || d.Goal == "" || d.Part == "" {
		return invalid("directive", "needs strategic, goal and part")
	}
	for i := range d.Compute {
		if err := d.Compute[i].Metric.Check(); err != nil {
			return err
		}
	}
	for i := range d.Insights {
		if err := d.Insights[i].Metric.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Collection asks for one parameter by one method.
type Collection struct {
	Parameter Parameter `json:"parameter"`
	Required  bool      `json:"required"` // the goal's own metric needs it; otherwise its lack is only reported
}

// Needs returns the coverage that is required of the parameter under the constraints, which the layer that collects and the
// one that judges both go by: of what the goal's own metric needs, the directive's where that is higher, and its own of what is
// sparse or only wished for.
func (c *Collection) Needs(k Constraints) float64 {
	if c.Required && !c.Parameter.Sparse {
		return max(c.Parameter.Coverage, k.RequiredCoverage)
	}
	return c.Parameter.Coverage
}

// Computation asks for one metric, for every window from the first until the last day.
type Computation struct {
	Metric   Definition `json:"metric"`
	Scope    *Condition `json:"scope,omitempty"`
	Grain    Grain      `json:"grain"`
	From     Day        `json:"from,omitempty"` // empty: from the first data
	Until    Day        `json:"until"`          // last day whose window is wanted
	Required bool       `json:"required"`       // the goal's own metric
}
