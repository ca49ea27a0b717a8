package oracle

import (
	"fmt"
	"io"
	"time"

	"gopkg.in/yaml.v3"
)

// The product refuses a model on less than these; what it must refuse is expected to be refused.
const (
	gateWeeks     = 13
	gateRepeaters = 500
)

// Expectation is everything that a run over one file must show. It is worked out by [Expect], or typed into a file from
// published values and read by [ReadExpectation].
type Expectation struct {
	Facts       Facts              `yaml:"facts"`
	Months      []Month            `yaml:"months"`
	Cohorts     map[string][]int64 `yaml:"cohorts,omitempty"`
	Goals       []Course           `yaml:"goals"`
	ValueWithin float64            `yaml:"value_within"`          // how far a value may lie from the expected one, in whole units
	ValueShare  float64            `yaml:"value_share,omitempty"` // or how far as a share of it, where that is more
}

// Options says what is to be worked out, and how much of it.
type Options struct {
	Last      time.Time // last day of the last whole month
	Goals     []Goal
	Bootstrap int // resamples for the values' standard errors in the deadlines' months; 0 = none
	Seed      uint64
}

// Expect works out what the orders must show.
func Expect(orders []Order, o Options) Expectation {
	e := Expectation{Facts: FactsOf(orders), Months: Months(orders, o.Last), Cohorts: Cohorts(orders, o.Last), ValueWithin: .005, ValueShare: .0005}
	from := start()
	for i := range e.Months {
		from = e.Months[i].predict(orders, from, o)
	}
	for _, g := range o.Goals {
		e.Goals = append(e.Goals, Judge(g, e.Months))
	}
	return e
}

// predict adds the model's value as of the month's last day, unless there is too little to fit it on.
func (m *Month) predict(orders []Order, from fit, o Options) fit {
	bs := buyersAt(orders, endOf(m.Month).AddDate(0, 0, -1))
	longest, repeaters := 0.0, 0
	for _, b := range bs {
		longest = max(longest, b.T)
		if b.x > 0 {
			repeaters++
		}
	}
	if repeaters < gateRepeaters {
		return from
	}
	v, at := value(bs, from)
	if longest < gateWeeks {
		m.Ungated = &v
		return from // not a place to begin from: on so few weeks the likelihood has hardly a top
	}
	if at.ridged() {
		return from // refused, too: there is no maximum
	}
	m.Value = &v
	for _, g := range o.Goals {
		if o.Bootstrap > 1 && g.Metric == "predicted_value_52w" && g.Deadline == m.Month {
			se := bootstrap(bs, at, o.Bootstrap, o.Seed)
			m.ValueError = &se
		}
	}
	return at
}

// ReadExpectation reads a file of expectations. An unknown name in it is an error.
func ReadExpectation(r io.Reader) (Expectation, error) {
	var e Expectation
	d := yaml.NewDecoder(r)
	d.KnownFields(true)
	if err := d.Decode(&e); err != nil {
		return e, fmt.Errorf("the file of expectations: %w", err)
	}
	if len(e.Months) == 0 || len(e.Goals) == 0 {
		return e, fmt.Errorf("the file of expectations names no months or no goals")
	}
	return e, nil
}
