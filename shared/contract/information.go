package contract

import "time"

// Information is the measurements of one goal, summarised by the functional layer. It carries the closed windows, so
// that a status can be computed as of any of them.
type Information struct {
	Goal       GoalID       `json:"goal"`
	Revision   int64        `json:"revision"`
	Strategic  DirectiveID  `json:"strategic"`
	Plan       PlanID       `json:"plan"`
	Metric     MetricID     `json:"metric"`
	Version    string       `json:"version"`
	Unit       Unit         `json:"unit"`
	Currency   string       `json:"currency,omitempty"`
	Grain      Grain        `json:"grain"`
	AsOf       time.Time    `json:"asOf"`   // the newest watermark among the windows
	Series     []Point      `json:"series"` // by window start, ascending; the last one may be open
	Trend      *Trend       `json:"trend,omitempty"`
	Projection *Projection  `json:"projection,omitempty"`
	Change     *Change      `json:"change,omitempty"`
	Changes    []Change     `json:"changes,omitempty"`    // of the windows of the series, as measured now; by window, ascending; the oldest are left out beyond 3,000 drivers in all
	Supporting []Supporting `json:"supporting,omitempty"` // the plan's other metrics, latest window of each
	Proposals  []Missing    `json:"proposals,omitempty"`
	Notes      []Note       `json:"notes,omitempty"` // what a reader must know of the data to read the numbers right
}

// NoteCode is one thing to know of the data, from a closed list.
type NoteCode string

// ClosedBase says that every customer was first seen within the note's window and nobody new has come since: totals then
// fall by construction as customers leave.
const ClosedBase NoteCode = "closed_base"

// Note is something to know of the data, and the time that it is about.
type Note struct {
	Code   NoteCode `json:"code"`
	Window Window   `json:"window"`
}

// Point is one window of the goal's metric.
type Point struct {
	Window      Window                    `json:"window"`
	Closed      bool                      `json:"closed"`
	Measurement MeasurementID             `json:"measurement"`
	Revision    int64                     `json:"revision"` // of the measurement
	AsOf        time.Time                 `json:"asOf"`
	Value       *float64                  `json:"value"`
	Reason      *Reason                   `json:"reason,omitempty"`
	N           int64                     `json:"n"`
	StdErr      *float64                  `json:"stdErr,omitempty"`
	Low         *float64                  `json:"low,omitempty"`
	High        *float64                  `json:"high,omitempty"`
	Coverage    map[ParameterName]float64 `json:"coverage,omitempty"`
	Weeks       *float64                  `json:"weeks,omitempty"` // of history that a model was fitted on
	Model       *ModelInUse               `json:"model,omitempty"` // that the value rests on
}

// Trend is the least-squares slope over the last windows.
type Trend struct {
	Windows int     `json:"windows"`
	Slope   float64 `json:"slope"` // unit per window
	StdErr  float64 `json:"stdErr"`
}

// Projection is the expected value in the deadline's window, with its 95 % interval. It is shown, never used for status.
type Projection struct {
	At    Day     `json:"at"`
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	How   string  `json:"how"` // such as linear_trend
}

// Change splits the difference between two closed windows, of which the one follows the other, into mix and rate, exactly: the
// drivers' mix and rate sum to Total.
type Change struct {
	From    Window   `json:"from"`
	To      Window   `json:"to"`
	Total   float64  `json:"total"`
	Drivers []Driver `json:"drivers"`
}

// Driver is one group's part in a change.
type Driver struct {
	Key  string  `json:"key"`
	Mix  float64 `json:"mix"`  // from the group's weight having changed
	Rate float64 `json:"rate"` // from the group's own value having changed
}

// Supporting is another metric of the plan.
type Supporting struct {
	Metric   MetricID `json:"metric"`
	Version  string   `json:"version"`
	Label    string   `json:"label"`
	Unit     Unit     `json:"unit"`
	Currency string   `json:"currency,omitempty"`
	Point    Point    `json:"point"`
}

// Check implements Payload.
func (i *Information) Check() error {
	if i.Goal == "" || i.Revision <= 0 || i.Strategic == "" || i.Metric == "" {
		return invalid("information", "needs goal, revision, strategic directive and metric")
	}
	for n := 1; n < len(i.Series); n++ {
		if i.Series[n].Window.Start.Before(i.Series[n-1].Window.Start) {
			return invalid("information.series", "must be ascending by window start")
		}
	}
	return nil
}
