package metric

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// This file checks what in a definition speaks of time: offsets, accumulation, retention and conversion.

// mostDays bounds what a definition may ask for in days, or in windows back.
const mostDays = 3660

// mostMonths bounds how long after its first month a cohort is looked at.
const mostMonths = 1200

var grains = []contract.Grain{contract.GrainDay, contract.GrainWeek, contract.GrainMonth, contract.GrainQuarter, contract.GrainYear}

func (v *validator) grain(at string, g contract.Grain) {
	if !slices.Contains(grains, g) {
		v.add(at, "%q is not a grain: use day, week, month, quarter or year", g)
	}
}

func (v *validator) offset(at string, m contract.Measure) {
	if m.Offset == nil {
		return
	}
	if m.Entity == contract.Profile {
		v.add(at, "a profile is what is known now: it has no earlier window")
	}
	if m.Offset.Count < 1 || m.Offset.Count > mostDays {
		v.add(at+"/count", "must be 1 to %d windows back", mostDays)
	}
	v.grain(at+"/grain", m.Offset.Grain)
}

func (v *validator) cumulative() {
	c := v.d.Cumulative
	switch {
	case c == nil || v.d.Type != contract.Cumulative:
	case c.Days != 0 && c.ToDate != "":
		v.add("/cumulative", "has either days or toDate; neither means all history")
	case c.Days < 0 || c.Days > mostDays:
		v.add("/cumulative/days", "must be 1 to %d", mostDays)
	case c.ToDate != "":
		v.grain("/cumulative/toDate", c.ToDate)
	}
}

func (v *validator) retention() {
	r := v.d.Retention
	switch {
	case r == nil || r.Base != "previous" && r.Base != "cohort":
		v.add("/retention/base", "must be previous or cohort")
	case r.Days < 0 || r.Days > mostDays:
		v.add("/retention/days", "must be 1 to %d, or absent for the grain's own window", mostDays)
	case r.Period > mostMonths:
		v.add("/retention/period", "must be 1 to %d months", mostMonths)
	case r.Period < 0 || r.Period > 0 && (r.Base != "cohort" || r.Days != 0):
		v.add("/retention/period", "counts months since a cohort's first: it needs the base cohort, and no days")
	}
}

func (v *validator) conversion() {
	c := v.d.Conversion
	if c == nil {
		v.add("/conversion", "is missing: a conversion has a base, what counts as converted, and days")
		return
	}
	if c.Days < 0 || c.Days > mostDays {
		v.add("/conversion/days", "must be 0 (the same day) to %d", mostDays)
	}
	for _, part := range []struct {
		at string
		m  contract.Measure
	}{{"/conversion/base", c.Base}, {"/conversion/converted", c.Converted}} {
		switch {
		case part.m.Entity != contract.CustomerDay && part.m.Entity != contract.Answer:
			v.add(part.at+"/entity", "must be customer_day or answer: what happens on a day")
		case part.m.Agg != contract.CountRows:
			v.add(part.at+"/agg", "must be count: a customer converts or does not")
		case part.m.Offset != nil:
			v.add(part.at+"/offset", "does not belong to a conversion")
		}
		v.condition(part.at+"/filter", part.m.Entity, part.m.Filter)
	}
}
