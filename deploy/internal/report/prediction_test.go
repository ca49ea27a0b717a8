package report

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/internal/client"
)

func TestPrediction(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"kind":"next_purchase","asOf":"1998-06-30","weeks":26,"n":23570,"mean":0.1986,"unit":"ratio",
		"groups":[{"key":"own_gaps","customers":5000,"share":0.2121,"mean":0.5},{"key":"alive_model","customers":null,"share":null,"mean":null}],
		"model":{"name":"next_purchase","version":"1.0.0","n":23570,"holdOut":{"design":"later_time","customers":23570,"weeks":26,"measures":{"coverage":0.8123,"below_median":0.5}}}}`: `Next purchase as of 30 June 1998: 23,570 customers, 26 weeks ahead, on average 19.9 %.
  own gaps           5,000 customers, 21.2 %, on average 50.0 %
  alive model        too few to tell
  model              next_purchase 1.0.0, on 23,570 customers; held out (later time) 23,570 customers: below
                     median 0.5, coverage 0.8123
`,
		`{"kind":"segments","asOf":"1998-06-30","n":90,"mean":10608.04,"unit":"money","currency":"USD","groups":[{"key":"group_1","text":"buys often","customers":90,"share":1,"mean":10608.04}],
		"model":{"name":"m","version":"1.0.0","n":90,"holdOut":{"customers":0}}}`: `Segments as of 30 June 1998: 90 customers, on average USD 106.08.
  group 1            90 customers, 100.0 %, on average USD 106.08: buys often
  model              m 1.0.0, on 90 customers; nothing could be held out
`,
		`{"kind":"survival","asOf":"1998-06-30","n":90,"mean":null,"unit":"ratio","groups":[],"curve":{"watchedDays":545,"median":{"days":60,"low":50,"high":null},"points":[{"days":7,"notYet":0.9,"low":0.85,"high":0.94}]},
		"model":{"name":"m","version":"1.0.0","n":90,"holdOut":{"customers":0}}}`: `Survival as of 30 June 1998: 90 customers.
  median             half have come back within 60 days
  7 days             10.0 % have come back (6.0 % to 15.0 %)
  model              m 1.0.0, on 90 customers; nothing could be held out
`,
		`{"kind":"cohorts","asOf":"1998-06-30","n":90,"mean":0.2,"unit":"ratio","groups":[],"retention":{"until":"1998-06","cohorts":[{"cohort":"1998-04","customers":60,"active":[{"share":1},{"share":0.2},null]},{"cohort":"1998-06","customers":30,"active":[{"share":1}]}]},
		"model":{"name":"m","version":"1.0.0","n":90,"holdOut":{"customers":0}}}`: `Cohorts as of 30 June 1998: 90 customers, on average 20.0 %.
  by month           share who bought, by months since the first purchase, from 1 on, few where that tells of
                     too few; the last month is 1998-06
  1998-04            60 customers: 20.0 %, few
  1998-06            30 customers: no month since is over
  model              m 1.0.0, on 90 customers; nothing could be held out
`,
	} {
		p := decoded[client.Prediction](t, text)
		if d := cmp.Diff(want, printed(func(out io.Writer) { Prediction(out, p) })); d != "" {
			t.Errorf("%s (-want +got):\n%s", p.Kind, d)
		}
	}
}
