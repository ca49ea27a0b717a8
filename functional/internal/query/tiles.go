package query

import (
	"cmp"
	"context"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/strata-crm/strata/functional/internal/information"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// subject is a tile with what it is about.
type subject struct {
	Reader
	tile      *Tile
	directive *contract.StrategicDirective
}

// span returns the tile's windows.
func (s *subject) span(limit int, closed bool) Span {
	t := s.tile
	return Span{Directive: s.directive.ID, Metric: t.Metric, Major: t.Major, Closed: closed, From: t.From, To: t.To, Limit: limit}
}

// windows returns windows, newest first; a fault if there is none.
func (s *subject) windows(ctx context.Context, sp Span) ([]contract.Measurement, error) {
	ms, err := s.Windows(ctx, sp)
	if err == nil && len(ms) == 0 {
		err = fault.New(fault.NotFound, fault.NoData, "no window of %s has been measured here yet", sp.Metric)
	}
	return ms, err
}

// limit returns what a tile asks for within bounds; a fault outside.
func (s *subject) limit(by, most int) (int, error) {
	switch n := s.tile.Limit; {
	case n == 0:
		return by, nil
	case n < 1 || n > most:
		return 0, fault.New(fault.Invalid, fault.BadRequest, "limit must be from 1 to %d", most)
	default:
		return n, nil
	}
}

// show writes windows, newest first, into the result, ascending.
func (r *Result) show(ms ...contract.Measurement) {
	for i := len(ms) - 1; i >= 0; i-- {
		m := &ms[i]
		r.Points = append(r.Points, Point{
			Point: information.PointOf(m), Numerator: m.Numerator, Denominator: m.Denominator, Median: m.Median, P90: m.P90, Suspects: m.Quality.Suspects,
		})
		r.Version, r.Unit, r.Currency, r.Grain = m.Version, m.Unit, m.Currency, m.Grain
		if asOf := m.AsOf; r.AsOf == nil || asOf.After(*r.AsOf) {
			r.AsOf = &asOf
		}
	}
}

func (s *subject) latest(ctx context.Context, r *Result) error {
	ms, err := s.windows(ctx, s.span(1, !s.tile.Open))
	if err != nil {
		return err
	}
	r.show(ms...)
	return nil
}

func (s *subject) series(ctx context.Context, r *Result) error {
	n, err := s.limit(defaultWindows, MaxWindows)
	if err != nil {
		return err
	}
	sp := s.span(n+1, !s.tile.Open)
	if sp.Before, err = decode(s.tile.Cursor); err != nil {
		return err
	}
	ms, err := s.windows(ctx, sp)
	if err != nil {
		return err
	}
	if len(ms) > n {
		ms = ms[:n]
		r.Next = encode(ms[n-1].Window.Start)
	}
	r.show(ms...)
	return nil
}

// encode and decode write a place in a series as a cursor: the start of the last window that was shown.
func encode(at time.Time) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMilli(), 10)))
}

func decode(cursor string) (*time.Time, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		if ms, e := strconv.ParseInt(string(b), 10, 64); e == nil {
			at := time.UnixMilli(ms).UTC()
			return &at, nil
		}
	}
	return nil, fault.New(fault.Invalid, fault.BadRequest, "this cursor is damaged: use \"next\" as it was received, or begin again without one")
}

// grouped returns a fault if a window has no groups.
func grouped(m *contract.Measurement) error {
	switch {
	case len(m.Parts) > 0:
		return nil
	case m.Reason != nil:
		return fault.New(fault.NotFound, m.Reason.Code, "the window has no value, so it has no groups")
	}
	return fault.New(fault.NotFound, fault.GroupTooSmall, "%s has no groups in this window: it has no dimension, or a group was too small to be shown", m.Metric)
}

func (s *subject) breakdown(ctx context.Context, r *Result) error {
	ms, err := s.windows(ctx, s.span(1, true))
	if err != nil {
		return err
	}
	r.show(ms...)
	if err := grouped(&ms[0]); err != nil {
		return err
	}
	var total int64
	for _, p := range ms[0].Parts {
		total += p.N
	}
	for _, p := range ms[0].Parts {
		r.Groups = append(r.Groups, Group{Key: p.Key, N: p.N, Value: p.Value, Share: float64(p.N) / float64(max(total, 1))})
	}
	slices.SortFunc(r.Groups, func(a, b Group) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Key, b.Key)) })
	return nil
}

func (s *subject) cohorts(ctx context.Context, r *Result) error {
	n, err := s.limit(defaultCohorts, MaxCohorts)
	if err != nil {
		return err
	}
	ms, err := s.windows(ctx, s.span(n, true))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(ms, func(m contract.Measurement) bool { return len(m.Parts) > 0 }) {
		return grouped(&ms[0])
	}
	r.show(ms...)
	slices.Reverse(ms)
	r.Grid = grid(ms)
	return nil
}

// grid returns the groups of ascending windows by key.
func grid(ms []contract.Measurement) *Grid {
	g := &Grid{}
	rows := map[string]*Row{}
	var keys []string
	for i := range ms {
		g.Windows = append(g.Windows, ms[i].Window)
		for _, p := range ms[i].Parts {
			if rows[p.Key] == nil {
				rows[p.Key] = &Row{Key: p.Key}
				keys = append(keys, p.Key)
			}
			rows[p.Key].Cells = append(rows[p.Key].Cells, Cell{Window: i, N: p.N, Value: p.Value})
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		g.Rows = append(g.Rows, *rows[k])
	}
	return g
}

func (s *subject) movers(ctx context.Context, r *Result) error {
	n, err := s.limit(defaultMovers, MaxMovers)
	if err != nil {
		return err
	}
	ms, err := s.windows(ctx, s.span(2, true))
	if err != nil {
		return err
	}
	if len(ms) < 2 {
		return fault.New(fault.NotFound, fault.NoData, "only one window is closed yet: a change needs two")
	}
	for i := range ms {
		if err := grouped(&ms[i]); err != nil {
			return err
		}
	}
	change := information.Split(&ms[1], &ms[0])
	if change == nil {
		return fault.New(fault.NotFound, fault.NoData, "one of the two windows has no value")
	}
	r.show(ms...)
	r.Change = top(change, n)
	return nil
}

// top returns a change with its n largest movers, and all others as one.
func top(c *contract.Change, n int) *Change {
	all := slices.Clone(c.Drivers)
	slices.SortStableFunc(all, func(a, b contract.Driver) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Mix+b.Rate), math.Abs(a.Mix+a.Rate)), cmp.Compare(a.Key, b.Key))
	})
	t := &Change{From: c.From, To: c.To, Total: c.Total, Movers: all}
	if len(all) > n {
		t.Movers = all[:n]
		t.Others = &contract.Driver{Key: "others"}
		for _, d := range all[n:] {
			t.Others.Mix += d.Mix
			t.Others.Rate += d.Rate
		}
	}
	return t
}

func (s *subject) compare(ctx context.Context, r *Result) error {
	var ms []contract.Measurement
	var err error
	if s.tile.Offset == nil {
		ms, err = s.windows(ctx, s.span(2, true))
	} else {
		ms, err = s.apart(ctx, *s.tile.Offset)
	}
	if err != nil {
		return err
	}
	if len(ms) < 2 {
		return fault.New(fault.NotFound, fault.NoData, "the window to compare with has not been measured")
	}
	r.show(ms...)
	r.Against = &Comparison{}
	if now, then := ms[0].Value, ms[1].Value; now != nil && then != nil {
		d := *now - *then
		r.Against.Difference = &d
		if *then != 0 {
			rel := d / math.Abs(*then)
			r.Against.Relative = &rel
		}
	}
	return nil
}

// apart returns the newest closed window and the one that lies so far before it.
func (s *subject) apart(ctx context.Context, o contract.Offset) ([]contract.Measurement, error) {
	ms, err := s.windows(ctx, s.span(1, true))
	if err != nil {
		return nil, err
	}
	at, err := back(ms[0].Window.Start, o, s.directive.TimeZone)
	if err != nil {
		return nil, err
	}
	then, err := s.Windows(ctx, Span{Directive: s.directive.ID, Metric: s.tile.Metric, Major: s.tile.Major, Closed: true, At: &at, Limit: 1})
	return append(ms, then...), err
}

// back returns the instant so much before, in a zone: days are days of that zone, whatever the clocks do, and a day that the
// earlier month does not have is its last, as it is where metrics are compared with an earlier window.
func back(at time.Time, o contract.Offset, zone string) (time.Time, error) {
	z, err := time.LoadLocation(zone)
	if err != nil {
		z = time.UTC
	}
	grains := []contract.Grain{contract.GrainDay, contract.GrainWeek, contract.GrainMonth, contract.GrainQuarter, contract.GrainYear}
	if !slices.Contains(grains, o.Grain) || o.Count < 1 || o.Count > 1200 {
		return at, fault.New(fault.Invalid, fault.BadRequest, "an offset is 1 to 1200 days, weeks, months, quarters or years back")
	}
	return o.Back(contract.DayOf(at, z)).Start(z).UTC(), nil
}
