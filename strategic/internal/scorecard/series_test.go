package scorecard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// cdnow is the month-by-month table of reference-values.md (all customers): returned/base of MoM, and the mean predicted
// 52-week value in dollars.
const cdnow = `
1997-02 1157 7846 0
1997-03 1681 9633 0
1997-04 1773 9524 41.56
1997-05 852 2822 35.43
1997-06 747 2214 37.57
1997-07 746 2339 38.94
1997-08 604 2180 35.40
1997-09 528 1772 34.51
1997-10 532 1739 34.62
1997-11 624 1839 36.67
1997-12 632 2028 36.23
1998-01 512 1864 35.45
1998-02 472 1537 35.76
1998-03 571 1551 38.07
1998-04 518 2060 36.70
1998-05 459 1437 35.50
1998-06 446 1488 35.11`

type month struct {
	window         contract.Window
	returned, base float64
	dollars        float64
}

func months(t testing.TB) []month {
	var ms []month
	for line := range strings.Lines(strings.TrimSpace(cdnow)) {
		var name string
		var m month
		if _, err := fmt.Sscan(line, &name, &m.returned, &m.base, &m.dollars); err != nil {
			t.Fatal(err)
		}
		start, err := time.Parse("2006-01", name)
		if err != nil {
			t.Fatal(err)
		}
		m.window = contract.Window{Start: start, End: start.AddDate(0, 1, 0)}
		ms = append(ms, m)
	}
	return ms
}

func number(v float64) *float64 { return &v }

// retention is the series of G1 and value that of G2, with the standard errors that the table states.
func retention(t testing.TB) []contract.Point {
	var ps []contract.Point
	for _, m := range months(t) {
		ps = append(ps, point(m.window, m.returned/m.base, .011, int64(m.base)))
	}
	return ps
}

func value(t testing.TB) []contract.Point {
	var ps []contract.Point
	for _, m := range months(t) {
		if m.dollars > 0 {
			weeks := m.window.End.Sub(time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)).Hours()/24/7 - 1.0/7
			p := point(m.window, m.dollars*100, 130, 23570)
			p.Weeks = &weeks
			ps = append(ps, p)
		}
	}
	return ps
}

func point(w contract.Window, v, se float64, n int64) contract.Point {
	return contract.Point{
		Window: w, Closed: true, Measurement: contract.MeasurementID("m-" + w.Start.Format("2006-01-02")), Revision: 1, AsOf: w.End,
		Value: number(v), N: n, StdErr: number(se), Coverage: map[contract.ParameterName]float64{"customer_id": 1, "order_time": 1},
	}
}

var constraints = contract.Constraints{RequiredCoverage: .8, MinimumN: 30, MinimumGroup: 10}

func g1(t testing.TB) Input {
	return Input{Zone: time.UTC, Constraints: constraints, Series: retention(t), Goal: contract.Goal{
		ID: "g1", Kind: contract.Level, Direction: contract.Up, Unit: contract.Ratio, Grain: contract.GrainMonth, Start: "1997-10-01",
		Deadline: "1998-06-30", Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Relative: number(.15)}, BackTest: true,
	}}
}

func g2(t testing.TB) Input {
	in := g1(t)
	in.Series, in.Currency = value(t), "USD"
	in.Goal.ID, in.Goal.Unit, in.Goal.Deadline, in.Goal.Target = "g2", contract.Money, "1998-03-31", contract.Target{Relative: number(.10)}
	return in
}
