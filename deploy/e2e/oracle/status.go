package oracle

import "time"

// Goal is one level goal to be judged month by month, higher being better.
type Goal struct {
	Name     string
	Metric   string  // month_on_month_retention or predicted_value_52w
	Until    string  // month whose value is the baseline, 2006-01
	Deadline string  // month in which it is decided
	Relative float64 // .15 is +15 %
}

// Course is what must become of a goal.
type Course struct {
	Name       string            `yaml:"name"`
	Metric     string            `yaml:"metric"`
	Refused    string            `yaml:"refused,omitempty"`    // "no_source nps"; then nothing else is expected
	Unmeasured bool              `yaml:"unmeasured,omitempty"` // the baseline's month has no value that may decide anything
	Baseline   float64           `yaml:"baseline,omitempty"`
	Target     float64           `yaml:"target,omitempty"`
	Statuses   map[string]string `yaml:"statuses,omitempty"` // by month, from the baseline's to the last
	Touched    []string          `yaml:"touched,omitempty"`  // months before the deadline in which the target was reached
	Proof      string            `yaml:"proof,omitempty"`    // once decided: proven or not_proven; empty = not said
}

// decides is the fewest customers whose value may decide anything.
const decides = 30

// notMeasurable is how a goal stands where a month has no value that may decide anything.
const notMeasurable = "not_measurable"

// Judge walks the months as section 4 of the blueprint says: progress against time elapsed since the baseline's end.
func Judge(g Goal, months []Month) Course {
	c := Course{Name: g.Name, Metric: g.Metric, Statuses: map[string]string{}}
	begun, decided := false, ""
	for _, m := range months {
		v, ok := m.of(g.Metric)
		switch {
		case m.Month == g.Until:
			begun = true
			c.begin(g, m.Month, v, ok)
		case !begun:
		case decided != "":
			c.Statuses[m.Month] = decided
		case c.Unmeasured || !ok || c.Baseline == 0:
			c.Statuses[m.Month] = notMeasurable
		default:
			c.step(g, m, v)
		}
		if begun && m.Month == g.Deadline {
			decided = c.Statuses[m.Month]
			c.Proof = proof(m, g.Metric, v, c.Target, decided)
		}
	}
	return c
}

// begin takes the baseline, if the month has one.
func (c *Course) begin(g Goal, month string, v float64, ok bool) {
	if !ok {
		c.Unmeasured, c.Statuses[month] = true, notMeasurable
		return
	}
	c.Baseline, c.Target, c.Statuses[month] = v, v*(1+g.Relative), "no_data_yet"
}

func (c *Course) step(g Goal, m Month, v float64) {
	p := (v - c.Baseline) / (c.Target - c.Baseline)
	base, now, end := endOf(g.Until), endOf(m.Month), endOf(g.Deadline)
	e := now.Sub(base).Hours() / end.Sub(base).Hours()
	switch {
	case m.Month == g.Deadline && p >= 1:
		c.Statuses[m.Month] = "achieved"
	case m.Month == g.Deadline:
		c.Statuses[m.Month] = "missed"
	case p >= e-.05:
		c.Statuses[m.Month] = "on_track"
	case p >= e-.20:
		c.Statuses[m.Month] = "at_risk"
	default:
		c.Statuses[m.Month] = "off_track"
	}
	if p >= 1 && m.Month != g.Deadline {
		c.Touched = append(c.Touched, m.Month)
	}
}

// proof is for an achieved goal alone: whether 1.96 standard errors lie between value and target. Near the edge of it, or
// where the error is not known, nothing is expected.
func proof(m Month, metric string, v, target float64, decided string) string {
	switch decided {
	case "achieved":
	case notMeasurable:
		return "not_yet" // nothing is decided
	default:
		return "not_proven"
	}
	se := 0.0
	if metric == "month_on_month_retention" {
		_, se, _ = m.Retention()
	} else if m.ValueError != nil {
		se = *m.ValueError
	}
	switch distance := (v - target) / 1.96; {
	case se == 0:
		return ""
	case distance > 1.25*se:
		return "proven"
	case distance < .75*se:
		return "not_proven"
	}
	return ""
}

// of returns the month's value, and whether it may decide anything.
func (m Month) of(metric string) (float64, bool) {
	if metric == "month_on_month_retention" {
		v, _, ok := m.Retention()
		return v, ok && m.Before >= decides
	}
	if m.Value == nil {
		return 0, false
	}
	return *m.Value, true
}

func endOf(month string) time.Time {
	t, _ := time.Parse("2006-01", month)
	return t.AddDate(0, 1, 0)
}
