package functional

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/functional/internal/series"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

// TestSeriesAheadAndAsFiles follows one metric from measurements to its forecast and to files.
func TestSeriesAheadAndAsFiles(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	marketing := r.ordered("sd-1", "marketing", 0)
	const own = "goal=goal-of-sd-1"

	var none series.Forecast
	r.do("GET", "/forecasts?"+own, manager, nil, nil, 200, &none)
	if none.Problem == nil || none.Problem.Code != fault.NoData {
		t.Errorf("before any window: %+v", none)
	}
	for i := range 16 {
		r.measure(month(marketing, "predicted_value_52w", time.Month(1+i), 1000+50*float64(i)+float64(i%3)))
	}
	i := r.informed("goal-of-sd-1", func(i contract.Information) bool { return len(i.Series) == 16 })
	if p := i.Projection; p == nil || p.How == "linear_trend" || p.Low > p.Value || p.High < p.Value {
		t.Errorf("the projection %+v; want it by the method of a forecast", p)
	}
	var f series.Forecast
	r.do("GET", "/forecasts?metric=predicted_value_52w&"+own, manager, nil, nil, 200, &f)
	if f.Problem != nil || len(f.Points) != 2 || f.Windows != 16 || f.N != 1000 || f.Currency != "USD" || f.Backtest == nil || len(f.Candidates) == 0 || f.AsOf == nil {
		t.Fatalf("two months before the deadline: %+v", f)
	}
	if last := f.Points[1]; i.Projection == nil || last.Mean != i.Projection.Value || f.Method == "" || string(f.Method) != i.Projection.How {
		t.Errorf("%+v by %s; the projection is %+v", last, f.Method, i.Projection)
	}
	r.do("GET", "/forecasts?"+own+"&ahead=5", manager, nil, nil, 200, &f)
	if len(f.Points) != 5 {
		t.Errorf("%d windows, want 5", len(f.Points))
	}
	for path, status := range map[string]int{
		"/forecasts": 400, "/forecasts?" + own + "&ahead=0": 400, "/forecasts?metric=luck": 404, "/exports/series?" + own: 400,
		"/exports/cohorts?format=csv&" + own: 409, "/exports/people?format=csv&" + own: 400, "/exports/series?format=doc&" + own: 400,
	} {
		r.do("GET", path, manager, nil, nil, status, nil)
	}
	lines := r.file("/exports/series?format=csv&"+own, "predicted_value_52w-series.csv")
	if len(lines) != 17 || lines[1][0] != "1997-01-01T00:00:00.000Z" || lines[1][3] != "1000" || lines[1][5] != "1000" {
		t.Errorf("%d lines of the series: %v", len(lines), lines[:min(2, len(lines))])
	}
	lines = r.file("/exports/forecast?format=csv&ahead=3&metric=predicted_value_52w", "predicted_value_52w-forecast.csv")
	if len(lines) != 4 || lines[1][0] != "1998-05-01T00:00:00.000Z" || lines[1][2] != fmt.Sprint(f.Points[0].Mean) {
		t.Errorf("%d lines of the forecast: %v", len(lines), lines)
	}
	for _, format := range []string{"xlsx", "parquet"} {
		if b := r.bytes("/exports/series?format="+format+"&"+own, "predicted_value_52w-series."+format); !bytes.HasPrefix(b, []byte(map[string]string{"xlsx": "PK", "parquet": "PAR1"}[format])) {
			t.Errorf("%s: %q", format, b[:min(8, len(b))])
		}
	}
}

// bytes gets a file.
func (r *rig) bytes(path, name string) []byte {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.server.URL+"/api/functional/v1"+path, nil)
	must(r.t, err)
	token, err := r.issuer.Token("somebody", []signin.Role{signin.Manager}, time.Hour)
	must(r.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	must(r.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(r.t, err)
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Content-Disposition"), name) {
		r.t.Fatalf("%s: %d %s %v", path, res.StatusCode, body, res.Header)
	}
	return body
}

func (r *rig) file(path, name string) [][]string {
	r.t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(r.bytes(path, name))).ReadAll()
	must(r.t, err)
	return lines
}
