package report

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/internal/client"
)

const claimText = `{
	"state":"taken_back","since":"2026-05-03T09:00:00Z","own":true,"claim":"Forecast of orders in 39 weeks","value":"16,874 ± 130","sample":"3,318 of 23,570 customers",
	"tolerance":"± 10.0 % of it","line":"Not knowledge: Velocity failed, owner informed",
	"insight":{"id":"in-1","unit":"count","grain":"month","kind":"forecast","republished":2,"asOf":"1998-04-01T00:00:00Z","looks":[{"n":400,"value":17000,"halfWidth":900},{"n":3318,"value":16874,"halfWidth":130}],
		"windows":[{"window":{"start":"1998-02-01T00:00:00Z","end":"1998-03-01T00:00:00Z"},"effect":0.239,"margin":0.05},{"window":{"start":"1998-03-01T00:00:00Z","end":"1998-04-01T00:00:00Z"},"effect":-0.252,"margin":0.05}],
		"formats":[{"format":"file","effect":0,"margin":0,"share":1}],"tail":{"fall":0.15,"margin":0.024,"customers":235}},
	"lamps":[
		{"question":"volume","name":"Volume","asks":"Does it stand when more data arrive?","verdict":"holds","word":"holds","sentence":"It holds."},
		{"question":"velocity","name":"Velocity","asks":"Does it stand a bit later?","verdict":"fails","word":"fails","sentence":"Fails by the second window since it was published."},
		{"question":"variety","name":"Variety","asks":"V?","verdict":"not_enough_data","word":"not enough data","sentence":"All of it came in one format."},
		{"question":"variability","name":"Variability","asks":"V?","verdict":"weakening","word":"weakening","sentence":"It may fall."},
		{"question":"veracity","name":"Veracity","asks":"V?","verdict":"holds","word":"holds","sentence":"All of it comes from verified sources."}],
	"accepted":{"at":"2026-05-01T09:00:00Z","asOf":"1998-03-01T00:00:00Z","n":3318,"rules":7,"decision":{"id":"pd-7","rule":"strategic.knowledge"}},
	"expires":"2026-08-07T00:00:00Z",
	"history":[{"from":"candidate","to":"knowledge","at":"2026-05-01T09:00:00Z","reason":"all five questions hold"},{"from":"knowledge","to":"taken_back","at":"2026-05-03T09:00:00Z","reason":"Velocity failed"}]}`

func TestClaims(t *testing.T) {
	t.Parallel()
	c := decoded[client.Claim](t, claimText)
	want := `  Forecast of orders in 39 weeks (the goal's proof rests on it): 16,874 ± 130
      ● Volume  ✖ Velocity  ○ Variety  ▲ Variability  ● Veracity
      Not knowledge: Velocity failed, owner informed.
      in-1
`
	if d := cmp.Diff(want, printed(func(out io.Writer) { ClaimLine(out, c) })); d != "" {
		t.Errorf("in a list (-want +got):\n%s", d)
	}
	want = `Forecast of orders in 39 weeks: 16,874 ± 130
  From 3,318 of 23,570 customers, data as of 1 April 1998; claimed to stand within ± 10.0 % of it; published
  anew 2 times.
  ● Volume       It holds.
  ✖ Velocity     Fails by the second window since it was published.
  ○ Variety      All of it came in one format.
  ▲ Variability  It may fall.
  ● Veracity     All of it comes from verified sources.
  Not knowledge: Velocity failed, owner informed.
`
	if d := cmp.Diff(want, printed(func(out io.Writer) { Claim(out, c) })); d != "" {
		t.Errorf("shown (-want +got):\n%s", d)
	}
	why := printed(func(out io.Writer) { Why(out, c, time.UTC) })
	for _, text := range []string{
		"✖ Velocity: fails. Does it stand a bit later?", "after 3,318 customers: 16,874 ± 130", "February 1998: +23.9 % ± 5.0 %", "March 1998: −25.2 % ± 5.0 %",
		"without files: 0.0 % ± 0.0 % (weighs 100.0 %)", "without the top 1 % (235 customers): −15.0 % ± 2.4 %",
		"Accepted on 2026-05-01 09:00:00 UTC with 3,318 customers, data as of 1 March 1998; decision pd-7", "It ends on 2026-08-07",
		"2026-05-03 09:00:00 UTC  taken back: Velocity failed",
	} {
		if !strings.Contains(strings.Join(strings.Fields(why), " "), strings.Join(strings.Fields(text), " ")) {
			t.Errorf("%q is not in\n%s", text, why)
		}
	}
	if strings.Contains(why, "p-value") {
		t.Error(why)
	}
}

func TestACardSaysWhatItsProofRestsOn(t *testing.T) {
	t.Parallel()
	c := decoded[client.Card](t, `{"goal":{"name":"Keep customers"},"standing":{"status":"achieved","proof":"not_proven","against":"beyond",
		"proofWhy":"Not proven: Velocity failed on the insight that it rests on","insight":{"line":"Not knowledge: Velocity failed, owner informed"}}}`)
	got := printed(func(out io.Writer) { Card(out, "1", c) })
	for _, text := range []string{"proof      not proven: Velocity failed on the insight that it rests on", "rests on   Not knowledge: Velocity failed, owner informed"} {
		if !strings.Contains(got, text) {
			t.Errorf("%q is not in\n%s", text, got)
		}
	}
}
