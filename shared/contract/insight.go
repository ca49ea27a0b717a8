package contract

import (
	"slices"
	"time"
)

// Verdict on one of the five V's of an insight.
type Verdict string

// The verdicts.
const (
	Holds         Verdict = "holds"
	Weakening     Verdict = "weakening"
	Fails         Verdict = "fails"
	NotEnoughData Verdict = "not_enough_data"
)

// Verdicts are the five questions asked of every insight.
type Verdicts struct {
	Volume      Verdict `json:"volume"`
	Velocity    Verdict `json:"velocity"`
	Variety     Verdict `json:"variety"`
	Variability Verdict `json:"variability"`
	Veracity    Verdict `json:"veracity"`
}

// All reports whether all five are v.
func (v Verdicts) All(x Verdict) bool { return v == Verdicts{x, x, x, x, x} }

// Any reports whether one of the five is v.
func (v Verdicts) Any(x Verdict) bool {
	return slices.Contains([]Verdict{v.Volume, v.Velocity, v.Variety, v.Variability, v.Veracity}, x)
}

// InsightKind is the form of a claim.
type InsightKind string

// The forms of a claim.
const (
	LevelInsight      InsightKind = "level"      // the metric is so much
	DifferenceInsight InsightKind = "difference" // it differs by so much between two groups of customers
	ChangeInsight     InsightKind = "change"     // it changed by so much from one window to the next
	ForecastInsight   InsightKind = "forecast"   // a model's customers will do so much
	MoverInsight      InsightKind = "mover"      // this group moved the metric most
)

// InsightOrder asks the operational layer for a claim about a metric and for its re-examination for as long as the
// directive lasts.
type InsightOrder struct {
	ID             InsightID   `json:"id"` // see InsightIdentity
	Kind           InsightKind `json:"kind"`
	Metric         Definition  `json:"metric"`
	Scope          *Condition  `json:"scope,omitempty"`
	Against        *Condition  `json:"against,omitempty"` // the other group, for a difference
	Grain          Grain       `json:"grain"`
	Tolerance      float64     `json:"tolerance"`                // of the statement: a share of the value, or of its unit where absolute
	Absolute       bool        `json:"absolute,omitempty"`       // tolerance is in the metric's unit (points, percentage points)
	LaterTolerance float64     `json:"laterTolerance,omitempty"` // relative, for velocity; 0 means 0.1
	Until          Day         `json:"until"`
	OfLevel        bool        `json:"ofLevel,omitempty"` // of a difference or change: tolerance is a share of what it is from, and not of itself
	Aim            *Aim        `json:"aim,omitempty"`     // of a claim that tells how much a goal's metric is
}

// Aim is what a goal wants of the value that is claimed: would leaving out a part of the data change whether it is reached? It is
// no part of the claim, which stays what it is when the goal changes.
type Aim struct {
	Direction Direction `json:"direction"`
	Baseline  Baseline  `json:"baseline"`
	Target    Target    `json:"target"`
}

// InsightIdentity returns the id of a claim: a hash of tenant, operational directive, kind, metric, major version, scope,
// the other group, and grain.
func InsightIdentity(t TenantID, d DirectiveID, k InsightKind, m MetricID, major int, scope, against *Condition, g Grain) InsightID {
	return InsightID("in-" + hashOf(t, d, k, m, major, scope, against, g))
}

// InsightState is where an insight is in its life.
type InsightState string

// The states of an insight. Value, Published and HalfWidth of a candidate mean nothing: Withheld says why.
const (
	InsightCandidate   InsightState = "candidate"
	InsightPublished   InsightState = "published"
	InsightRepublished InsightState = "republished"
	InsightExpired     InsightState = "expired"
)

// Insight is a claim drawn from measurements or a model: the value stands within the tolerance of what was published. It
// tells of customers only in groups of the minimum size.
type Insight struct {
	ID          InsightID    `json:"id"`
	Revision    int64        `json:"revision"`
	Directive   DirectiveID  `json:"directive"`
	Strategic   DirectiveID  `json:"strategic"`
	Goal        GoalID       `json:"goal"`
	Metric      MetricID     `json:"metric"`
	Version     string       `json:"version"`
	State       InsightState `json:"state"`
	Published   float64      `json:"published"`
	Value       float64      `json:"value"`
	HalfWidth   float64      `json:"halfWidth"`
	Unit        Unit         `json:"unit"`
	Tolerance   float64      `json:"tolerance"` // relative, or in Unit where Absolute
	N           int64        `json:"n"`         // customers read
	Of          int64        `json:"of"`        // customers there are
	AsOf        time.Time    `json:"asOf"`
	Verdicts    Verdicts     `json:"verdicts"`
	Republished int          `json:"republished"`
	// Anew is why it was published anew last: the question that failed, or "expired" where facts that it was compared with were deleted as
	// they had been kept as long as they may be. Empty of one that was not, and of one that was so before this was told.
	Anew string `json:"anew,omitempty"`
	// Bounded reports whether what one customer adds to the value has bounds, by its definition: then 100 customers do, and 400 otherwise.
	// None of one that was sent before this was told.
	Bounded *bool `json:"bounded,omitempty"`

	Kind        InsightKind `json:"kind,omitempty"`  // none: level
	Label       string      `json:"label,omitempty"` // of the metric; the functional layer adds it
	Currency    string      `json:"currency,omitempty"`
	Scope       *Condition  `json:"scope,omitempty"`
	Against     *Condition  `json:"against,omitempty"`
	Group       string      `json:"group,omitempty"` // of a mover, from the metric's dimension
	Grain       Grain       `json:"grain,omitempty"`
	Window      *Window     `json:"window,omitempty"` // what the value is over; none for all history
	Absolute    bool        `json:"absolute,omitempty"`
	Withheld    *Reason     `json:"withheld,omitempty"` // why there is no value
	PublishedAt *time.Time  `json:"publishedAt,omitempty"`
	Cap         *float64    `json:"cap,omitempty"`       // each customer counts up to so much
	AboveCap    *float64    `json:"aboveCap,omitempty"`  // share of the total that lies above the cap
	Findings    []Finding   `json:"findings,omitempty"`  // what each verdict rests on
	Looks       []Look      `json:"looks,omitempty"`     // at the value, by customers read, ascending
	Windows     []Shifted   `json:"windows,omitempty"`   // closed since publication, ascending
	Formats     []Left      `json:"formats,omitempty"`   // the value without each way in which facts came
	Tail        *TailOf     `json:"tail,omitempty"`      // of the value
	Unknown     *Unverified `json:"unknown,omitempty"`   // sources that nobody verified
	ShelfLife   *float64    `json:"shelfLife,omitempty"` // windows until the value leaves its tolerance, were it to go on as it does
	Alarm       bool        `json:"alarm,omitempty"`     // on the list of those that cannot all be true (e-BH at 10 %)
	Model       *ModelFit   `json:"model,omitempty"`
	Base        *float64    `json:"base,omitempty"`      // what a difference is from, where its tolerance was ordered as a share of that
	Target      *float64    `json:"target,omitempty"`    // of the goal whose metric it tells of, as far as it is known
	Direction   Direction   `json:"direction,omitempty"` // which side of Target is wanted
	LeftOut     Division    `json:"leftOut,omitempty"`   // what Formats are; none: formats
	Rank        *RankOf     `json:"rank,omitempty"`      // of a percentile; its Tolerance, and effects, margins and bands are ranks then
}

// Division is a way in which variety divides what a value rests on.
type Division string

// The divisions: by format where there are several; else by source; else by when customers came first.
const (
	ByFormat Division = "format"
	BySource Division = "source"
	ByCohort Division = "cohort"
)

// RankOf tells of a percentile, which is claimed as a rank: the share of all numbers below the published one stays what it was.
type RankOf struct {
	Level     float64 `json:"level"`     // 0.5 is the median
	Published float64 `json:"published"` // in Unit
	Low       float64 `json:"low"`       // where the allowed ranks ended when it was published, in Unit
	High      float64 `json:"high"`
}

// Question is one of the five asked of every insight.
type Question string

// The five V's.
const (
	Volume      Question = "volume"
	VelocityOf  Question = "velocity"
	Variety     Question = "variety"
	Variability Question = "variability"
	Veracity    Question = "veracity"
)

// Finding is what a verdict rests on. Effect, Margin and Band are in one unit: for volume in the value's; for the others
// relative, or in the value's where the tolerance is absolute.
type Finding struct {
	Question Question `json:"question"`
	Verdict  Verdict  `json:"verdict"`
	Why      string   `json:"why,omitempty"` // a reason of package validity, such as beyond_tolerance
	Effect   float64  `json:"effect"`
	Margin   float64  `json:"margin"` // half-width around Effect
	Band     float64  `json:"band"`
	LogE     float64  `json:"logE"`              // natural log of the evidence against the claim
	Windows  int      `json:"windows,omitempty"` // of velocity: how many windows had closed since publication; where it fails, by the one that proved it
	// Arrived is of velocity: of the window after those that were judged, which has ended, the share of its facts that has come, by how late
	// facts have come so far. It is judged from .99 on. None where no window is waited for.
	Arrived *float64 `json:"arrived,omitempty"`
	Hidden  bool     `json:"hidden,omitempty"` // the numbers rest on fewer customers than may be told of: Effect, Margin and LogE are 0
}

// Look is the value after so many customers.
type Look struct {
	N         int64   `json:"n"`
	Value     float64 `json:"value"`
	HalfWidth float64 `json:"halfWidth"`
}

// Shifted is a closed window against the baseline; one in which fewer customers did anything than may be told of is left out. Effect and Margin are relative, or in the value's unit where the tolerance is
// absolute.
type Shifted struct {
	Window Window  `json:"window"`
	Effect float64 `json:"effect"`
	Margin float64 `json:"margin"`
}

// Left is the value without the facts that came in one way. Effect and Margin are relative, or in the value's unit where the
// tolerance is absolute.
type Left struct {
	Format      string  `json:"format"` // a source or a cohort (1997, 1997-q1, 1997-01) where LeftOut says so; or "other", several small ones together
	Effect      float64 `json:"effect"` // of leaving it out
	Margin      float64 `json:"margin"`
	Gap         float64 `json:"gap"`   // its own value against the whole's, as Effect is
	Share       float64 `json:"share"` // of the total that came in this way
	Contradicts bool    `json:"contradicts,omitempty"`
	Tips        bool    `json:"tips,omitempty"` // without it the value would lie on the other side of Target
}

// TailOf tells how much of a value few customers make.
type TailOf struct {
	Fall      float64  `json:"fall"` // of the value without the top 1 % of contributors, relative
	Margin    float64  `json:"margin"`
	Customers int64    `json:"customers"`         // in the top 1 %
	Against   bool     `json:"against,omitempty"` // of a difference or a change: of the value that it is from
	Spread    *float64 `json:"spread,omitempty"`  // of the last window, as a multiple of the baseline's
}

// Unverified tells how much of a value comes from sources that nobody verified.
type Unverified struct {
	Share    float64  `json:"share"`
	Tipping  *float64 `json:"tipping,omitempty"`  // by how much they would have to be wrong, relative; none where nothing is unverified
	ToTarget *float64 `json:"toTarget,omitempty"` // the same, to bring the value to the other side of Target
}

// Check implements Payload.
func (i *Insight) Check() error {
	if i.ID == "" || i.Revision <= 0 || i.Metric == "" {
		return invalid("insight", "needs id, revision and metric")
	}
	return nil
}
