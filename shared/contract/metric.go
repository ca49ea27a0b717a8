package contract

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
)

// DataType is the kind of a datum about a customer, each with a natural source.
type DataType string

// The five data types.
const (
	Identification DataType = "identification"
	Descriptive    DataType = "descriptive"
	Probe          DataType = "probe"
	Transactional  DataType = "transactional"
	Conversed      DataType = "conversed"
)

// ValueType is the type of a parameter's value.
type ValueType string

// Value types. An amount is a decimal number with a currency; it is stored in minor units.
const (
	Text      ValueType = "text"
	Integer   ValueType = "integer"
	Decimal   ValueType = "decimal"
	AmountOf  ValueType = "amount"
	Boolean   ValueType = "boolean"
	Timestamp ValueType = "timestamp"
	Score     ValueType = "score"
)

// Parameter is one datum about a customer that a metric needs, and how it is obtained.
type Parameter struct {
	Name     ParameterName `json:"name"`
	DataType DataType      `json:"dataType"`
	Value    ValueType     `json:"valueType"`
	Category string        `json:"category"` // such as contact, purchase, opinion
	Purpose  Purpose       `json:"purpose"`
	Coverage float64       `json:"requiredCoverage"` // 0..1, share of customers (or of facts, for transactional)
	Sparse   bool          `json:"sparse,omitempty"` // few give it by its nature, such as answers to a survey: its own coverage is required, whatever the directive's
	Owner    string        `json:"owner"`
	Steward  string        `json:"steward"`
	Method   Method        `json:"method"`
}

// Method says where in a collected item the parameter is found.
type Method struct {
	Kind     string `json:"kind"`            // event_api, file, survey, interview, text, topic, pull
	Call     string `json:"call"`            // identify or track
	Event    string `json:"event,omitempty"` // of a track call, such as Order Completed
	Property string `json:"property"`        // the property or trait; userId and timestamp name the call's own
}

// Grain is the length of a window.
type Grain string

// Grains. A window of a grain begins at the grain's boundary in the tenant's zone.
const (
	GrainDay     Grain = "day"
	GrainWeek    Grain = "week"
	GrainMonth   Grain = "month"
	GrainQuarter Grain = "quarter"
	GrainYear    Grain = "year"
)

// MetricType is how a metric is computed; the names are those that MetricFlow made common.
type MetricType string

// Metric types.
const (
	Simple      MetricType = "simple"
	RatioOf     MetricType = "ratio"
	Derived     MetricType = "derived"
	Cumulative  MetricType = "cumulative"
	Conversion  MetricType = "conversion"
	RetentionOf MetricType = "retention"
	ModelOf     MetricType = "model"
)

// Aggregation of a measure.
type Aggregation string

// Aggregations.
const (
	Sum           Aggregation = "sum"
	CountRows     Aggregation = "count"
	CountDistinct Aggregation = "count_distinct"
	Average       Aggregation = "average"
	Median        Aggregation = "median"
	Percentile    Aggregation = "percentile"
	Min           Aggregation = "min"
	Max           Aggregation = "max"
	SumBoolean    Aggregation = "sum_boolean"
)

// Entity is what a measure aggregates over.
type Entity string

// Entities of the warehouse. A customer_day row is one customer's purchases of one day; a customer row is one
// customer's history up to the window's end; a profile is what is known of a customer now.
const (
	CustomerDay Entity = "customer_day"
	Customer    Entity = "customer"
	Profile     Entity = "profile"
)

// Measure is one aggregate.
type Measure struct {
	Name       string      `json:"name"`
	Agg        Aggregation `json:"agg"`
	Entity     Entity      `json:"entity"`
	Field      string      `json:"field,omitempty"` // such as orders, revenue, customer
	Percentile *float64    `json:"percentile,omitempty"`
	Filter     *Condition  `json:"filter,omitempty"`
	Offset     *Offset     `json:"offset,omitempty"` // taken from an earlier window
}

// Offset moves a measure back by whole windows of a grain: period over period compares with {1, month} or {1, year}. A
// window that the earlier one has no counterpart of (31 March a month ago) ends with that month.
type Offset struct {
	Count int   `json:"count"`
	Grain Grain `json:"grain"`
}

// CumulativeSpec says over what a cumulative metric accumulates up to the window's end: the last days, or everything
// since the start of a longer grain (year to date), or all history where both are empty.
type CumulativeSpec struct {
	Days   int   `json:"days,omitempty"`
	ToDate Grain `json:"toDate,omitempty"`
}

// ConversionSpec defines a conversion metric: of the customers who match Base inside the window, the share who match
// Converted within so many days after their first match of Base (the same day counts).
type ConversionSpec struct {
	Base      Measure `json:"base"`
	Converted Measure `json:"converted"`
	Days      int     `json:"days"`
}

// RetentionSpec defines a retention metric: of the customers active in the base window, those active again.
type RetentionSpec struct {
	Base   string `json:"base"`             // previous (the window before) or cohort (first purchase in the window)
	Days   int    `json:"days,omitempty"`   // rolling windows of so many days instead of the grain's
	Period int    `json:"period,omitempty"` // for cohort: months since the cohort's month
}

// ModelSpec names a model and what is read off it.
type ModelSpec struct {
	Name     string  `json:"name"`               // bg_nbd_gamma_gamma or mbg_nbd
	Output   string  `json:"output"`             // residual_value or share_alive
	Horizon  int     `json:"horizon,omitempty"`  // weeks ahead
	Discount float64 `json:"discount,omitempty"` // yearly rate, such as 0.1; 0 means undiscounted
}

// Definition is how a number is computed, as data. Its id carries the window.
type Definition struct {
	ID          MetricID        `json:"id"`
	Version     string          `json:"version"` // major.minor.patch; a change of history is major
	Label       string          `json:"label"`
	Description string          `json:"description"`
	Type        MetricType      `json:"type"`
	Unit        Unit            `json:"unit"`
	Better      Direction       `json:"better"`
	Measures    []Measure       `json:"measures,omitempty"`
	Numerator   string          `json:"numerator,omitempty"`   // a measure's name, for ratio
	Denominator string          `json:"denominator,omitempty"` // a measure's name, for ratio
	Expression  string          `json:"expression,omitempty"`  // over measure names, for derived
	Filter      *Condition      `json:"filter,omitempty"`
	Retention   *RetentionSpec  `json:"retention,omitempty"`
	Model       *ModelSpec      `json:"model,omitempty"`
	Cumulative  *CumulativeSpec `json:"cumulative,omitempty"`
	Conversion  *ConversionSpec `json:"conversion,omitempty"`
	Dimension   string          `json:"dimension,omitempty"` // how its change is split into mix and rate
	Parameters  []ParameterName `json:"parameters"`
	Owner       string          `json:"owner"`
	Steward     string          `json:"steward"`
}

// Major returns the version's first number: a new one starts a new series. Zero means the version is malformed.
func (d *Definition) Major() int {
	if m := semver.FindStringSubmatch(d.Version); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

var (
	semver = regexp.MustCompile(`^([1-9]\d*)\.(\d+)\.(\d+)$`)
	snake  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// Check implements Payload: the shape only. Whether fields and functions exist is for the layers that define and
// compute it.
func (d *Definition) Check() error {
	switch {
	case !snake.MatchString(string(d.ID)):
		return invalid("metric.id", "must be snake case, such as month_on_month_retention")
	case d.Major() == 0:
		return invalid("metric.version", "must be major.minor.patch, from 1.0.0")
	case !slices.Contains([]MetricType{Simple, RatioOf, Derived, Cumulative, Conversion, RetentionOf, ModelOf}, d.Type):
		return invalid("metric.type", "must be simple, ratio, derived, cumulative, conversion, retention or model")
	}
	return nil
}

// Condition is a tree that selects rows: exactly one of all, any, not, or a field with an operator and a value. It is
// data, never code or a query fragment.
type Condition struct {
	All   []Condition `json:"all,omitempty"`
	Any   []Condition `json:"any,omitempty"`
	Not   *Condition  `json:"not,omitempty"`
	Field string      `json:"field,omitempty"`
	Op    Operator    `json:"op,omitempty"`
	Value any         `json:"value,omitempty"` // string, number, boolean, or a list of those for in
}

// List returns the condition's value as a list, however the store or the wire decoded it; false if it is none.
func (c *Condition) List() ([]any, bool) {
	v := reflect.ValueOf(c.Value)
	if !v.IsValid() || v.Kind() != reflect.Slice {
		return nil, false
	}
	list := make([]any, v.Len())
	for i := range list {
		list[i] = v.Index(i).Interface()
	}
	return list, true
}

// Operator compares a field with a value.
type Operator string

// Operators.
const (
	Eq     Operator = "eq"
	Ne     Operator = "ne"
	Gt     Operator = "gt"
	Gte    Operator = "gte"
	Lt     Operator = "lt"
	Lte    Operator = "lte"
	In     Operator = "in"
	Exists Operator = "exists"
)
