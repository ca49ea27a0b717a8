package strategic

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/board"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// months are returned and base customers of the demo's retention goal, from August 1997 on (reference-values.md).
var months = [][2]float64{
	{604, 2180}, {528, 1772}, {532, 1739}, {624, 1839}, {632, 2028}, {512, 1864}, {472, 1537}, {571, 1551}, {518, 2060}, {459, 1437}, {446, 1488},
}

// inform sends the information on a goal of the months, as a revision.
func (s *suite) inform(d directive.Directive, revision int64, months [][2]float64) {
	s.t.Helper()
	i := contract.Information{
		Goal: d.Goal, Revision: revision, Strategic: d.ID, Plan: "p", Metric: d.Order.Goal.Metric, Version: "1.0.0", Unit: contract.Ratio, Grain: contract.GrainMonth,
	}
	n := len(months)
	for k, m := range months {
		w := contract.Window{Start: time.Date(1997, time.Month(8+k), 1, 0, 0, 0, 0, time.UTC), End: time.Date(1997, time.Month(9+k), 1, 0, 0, 0, 0, time.UTC)}
		i.AsOf = w.End
		i.Series = append(i.Series, contract.Point{
			Window: w, Closed: true, Measurement: contract.MeasurementID(w.Start.Format("m-2006-01")), Revision: revision, AsOf: w.End,
			Value: number(m[0] / m[1]), N: int64(m[1]), StdErr: number(.011), Coverage: map[contract.ParameterName]float64{"order_time": 1},
		})
	}
	if n > 1 {
		last, before := i.Series[n-1], i.Series[n-2]
		i.Change = &contract.Change{From: before.Window, To: last.Window, Total: *last.Value - *before.Value, Drivers: []contract.Driver{{Key: "newcomers", Rate: *last.Value - *before.Value}}}
	}
	s.tell(contract.TopicInformation, contract.TypeInformation, string(d.Goal), &i)
}

func (s *suite) card(d directive.Directive, query string) board.Card {
	s.t.Helper()
	var c board.Card
	s.call(s.token("mia", signin.Manager), "GET", "scorecard/"+string(d.Goal)+query, nil).want(200).into(&c)
	return c
}

func TestGoalIsJudgedMonthByMonth(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	want := []scorecard.Status{
		scorecard.NoDataYet, scorecard.NoDataYet, scorecard.OnTrack, scorecard.OnTrack, scorecard.OnTrack, scorecard.OffTrack, scorecard.OffTrack,
		scorecard.OnTrack, scorecard.OffTrack, scorecard.OffTrack, scorecard.Missed,
	}
	for n := 1; n <= len(months); n++ { // as a history is imported month by month
		s.inform(d, int64(n), months[:n])
		end := time.Date(1997, time.Month(8+n), 1, 0, 0, 0, 0, time.UTC)
		s.until("month "+end.Format("2006-01"), func() bool { c := s.card(d, ""); return c.Standing.AsOf != nil && c.Standing.AsOf.Equal(end) })
		if c := s.card(d, ""); c.Standing.Status != want[n-1] {
			t.Errorf("as of %s: %s, want %s", end.Format(time.DateOnly), c.Standing.Status, want[n-1])
		}
	}
	var h struct{ Items []scorecard.State }
	s.call(s.token("mia", signin.Manager), "GET", "scorecard/"+string(d.Goal)+"/history", nil).want(200).into(&h)
	if len(h.Items) != len(months) {
		t.Fatalf("%d windows", len(h.Items))
	}
	for i, item := range h.Items {
		if item.Status != want[i] || item.Why == "" || i > 0 && (item.Change == nil || !strings.Contains(item.Why, "newcomers")) {
			t.Errorf("%d: %s %q", i, item.Status, item.Why)
		}
	}
	march := s.card(d, "?asOf=1998-03-31")
	if march.Standing.Status != scorecard.OnTrack || len(march.Standing.Touched) != 1 || march.Standing.Projection == nil {
		t.Errorf("%+v", march.Standing)
	}
	s.call(s.token("mia", signin.Manager), "GET", "scorecard?asOf=never", nil).problem(400, "bad_request")
}

func TestRestatementChangesNothingDecided(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	s.inform(d, 1, months)
	s.until("decided", func() bool { return s.card(d, "").Standing.Status == scorecard.Missed })
	again := slices.Clone(months)
	again[1], again[len(again)-1] = [2]float64{100, 1772}, [2]float64{1400, 1488}
	s.inform(d, 2, again)
	s.until("restated", func() bool { return s.card(d, "").Standing.Restated })
	c := s.card(d, "")
	if c.Standing.Status != scorecard.Missed || c.Standing.Baseline.Value != 528.0/1772 {
		t.Errorf("%s %v", c.Standing.Status, c.Standing.Baseline.Value)
	}
}

func TestPageByOneTimeLink(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	s.inform(d, 1, months[:5])
	s.until("informed", func() bool { return s.card(d, "").Standing.AsOf != nil })
	s.call("", "GET", "/", nil).want(http.StatusUnauthorized)
	code := s.issuer.Link("eva", []signin.Role{signin.Executive})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(s.url + "/signin?code=" + code)
	if err != nil || res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 {
		t.Fatalf("%v %v", err, res)
	}
	body := string(s.call("", "GET", "/", nil, "Cookie", res.Cookies()[0].String()).want(200).body)
	for _, text := range []string{"Keep customers buying", "On track", "31.2 %", string(d.ID), "strategic.issue"} {
		if !strings.Contains(body, text) {
			t.Errorf("%q is not on the page", text)
		}
	}
}
