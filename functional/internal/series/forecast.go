package series

import (
	"context"
	"time"

	"github.com/strata-crm/strata/functional/internal/forecast"
	"github.com/strata-crm/strata/functional/internal/information"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/wording"
)

const (
	// MaxAhead is the most windows ahead that are told.
	MaxAhead = 120

	defaultAhead = 6
	lookBack     = 240 // windows; time goes with them
)

// Forecast is what is expected of a metric in the windows to come, how it was worked out, and how well that way did before.
type Forecast struct {
	Goal       contract.GoalID      `json:"goal"`
	Directive  contract.DirectiveID `json:"directive"`
	Metric     contract.MetricID    `json:"metric"`
	Version    string               `json:"version,omitempty"`
	Label      string               `json:"label"`
	Unit       contract.Unit        `json:"unit"` // of all values but MASE and coverage; money in minor units
	Currency   string               `json:"currency,omitempty"`
	Grain      contract.Grain       `json:"grain,omitempty"`
	AsOf       *time.Time           `json:"asOf,omitempty"` // the watermark of the newest closed window
	N          int64                `json:"n"`              // customers, or rows, that the newest closed window rests on
	Windows    int                  `json:"windows"`        // closed ones with a value that the forecast rests on
	Season     int                  `json:"season,omitempty"`
	Method     forecast.Method      `json:"method,omitempty"`
	How        string               `json:"how,omitempty"` // the method in words
	Points     []Expected           `json:"points,omitempty"`
	Backtest   *Backtest            `json:"backtest,omitempty"`
	Candidates []Tried              `json:"candidates,omitempty"`
	Problem    *query.Problem       `json:"problem,omitempty"` // why there is nothing else
}

// Expected is one window to come.
type Expected struct {
	Window contract.Window `json:"window"`
	Mean   float64         `json:"mean"`
	Low80  float64         `json:"low80"`
	High80 float64         `json:"high80"`
	Low95  float64         `json:"low95"`
	High95 float64         `json:"high95"`
}

// Tried is how one method did when it forecast what is known by now.
type Tried struct {
	Method forecast.Method `json:"method"`
	MAE    float64         `json:"mae"`
	MASE   float64         `json:"mase"` // below 1: better than repeating the last season
	WAPE   float64         `json:"wape"`
}

// Backtest is how the chosen method and its intervals did.
type Backtest struct {
	Tried
	Origins    int              `json:"origins"`
	Values     int              `json:"values"`
	Coverage80 float64          `json:"coverage80"` // share of values inside the interval of 80 %
	Coverage95 float64          `json:"coverage95"`
	Bands      contract.Verdict `json:"bands"` // whether the intervals hold what they promise
}

// Ahead forecasts the subject's next windows; 0 means until the goal's deadline, or six where that is past or too far. A series
// that cannot be forecast yet is an answer with the problem.
func Ahead(ctx context.Context, r Reader, s Subject, ahead int, of information.Forecaster) (Forecast, error) {
	f := Forecast{
		Goal: s.Directive.Goal.ID, Directive: s.Directive.ID, Metric: s.Definition.ID, Label: s.Definition.Label, Unit: s.Definition.Unit,
	}
	ms, err := s.read(ctx, r, true, lookBack)
	if err != nil {
		return f.refused(err)
	}
	last := &ms[len(ms)-1]
	f.Version, f.Currency, f.Grain, f.AsOf, f.N = last.Version, last.Currency, last.Grain, &last.AsOf, last.N
	if ahead == 0 {
		ahead = information.WindowsBetween(last.Window.End, s.Directive.Goal.Deadline.End(s.zone()), last.Grain)
		if ahead < 1 || ahead > MaxAhead {
			ahead = defaultAhead
		}
	}
	values, end := information.SeriesOf(ms)
	made, err := of(values, ahead, forecast.DefaultGates())
	if err != nil {
		return f.refused(err)
	}
	f.fill(made, end, s.zone())
	return f, nil
}

// refused makes an answer of a reason that lies in the data; anything else stays an error.
func (f Forecast) refused(err error) (Forecast, error) {
	if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
		return f, err
	}
	p := query.ProblemOf(err)
	if p == nil {
		return f, err
	}
	f.Problem = p
	return f, nil
}

func (f *Forecast) fill(made *forecast.Forecast, end time.Time, zone *time.Location) {
	f.Windows, f.Season, f.Method, f.How = made.Values, made.Season, made.Method, wording.Method(string(made.Method))
	for _, p := range made.Points {
		w := contract.Window{Start: end, End: next(end, f.Grain, zone)}
		f.Points = append(f.Points, Expected{w, p.Mean, p.Low80, p.High80, p.Low95, p.High95})
		end = w.End
	}
	b := made.Backtest
	f.Backtest = &Backtest{Tried(b.Tried), b.Origins, b.Values, b.Coverage80, b.Coverage95, b.Bands()}
	for _, t := range made.Candidates {
		f.Candidates = append(f.Candidates, Tried(t))
	}
}

// next returns where the window ends that begins at the instant: days are days of the zone, whatever the clocks do.
func next(at time.Time, g contract.Grain, zone *time.Location) time.Time {
	at = at.In(zone)
	switch g {
	case contract.GrainDay:
		at = at.AddDate(0, 0, 1)
	case contract.GrainWeek:
		at = at.AddDate(0, 0, 7)
	case contract.GrainQuarter:
		at = at.AddDate(0, 3, 0)
	case contract.GrainYear:
		at = at.AddDate(1, 0, 0)
	default:
		at = at.AddDate(0, 1, 0)
	}
	return at.UTC()
}
