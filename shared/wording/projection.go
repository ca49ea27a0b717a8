package wording

import (
	"strings"

	"github.com/strata-crm/strata/shared/contract"
)

// methods says how a projection or a forecast was made. The names are those of the functional layer.
var methods = map[string]string{
	"linear_trend":                "a straight line through the last windows up to six",
	"seasonal_naive":              "the last season over again, or the last window where there is no season",
	"simple":                      "the level of late, newer windows counting more",
	"holt":                        "level and trend, newer windows counting more",
	"damped":                      "level and a trend that levels off, newer windows counting more",
	"seasonal":                    "level and season, newer windows counting more",
	"holt_winters":                "level, trend and season, newer windows counting more",
	"damped_holt_winters":         "level, season and a trend that levels off, newer windows counting more",
	"seasonal_multiplicative":     "level times season, newer windows counting more",
	"holt_winters_multiplicative": "level and trend, times season, newer windows counting more",
	"damped_multiplicative":       "level and a trend that levels off, times season, newer windows counting more",
}

// Trend says where a value went from window to window of late, with how sure that is.
func Trend(t contract.Trend, u Unit) string {
	return u.Change(t.Slope) + " from window to window, standard error " + u.Width(t.StdErr) + ", by a straight line through the last " + Count(int64(t.Windows))
}

// Method says in plain words by which method a value to come was worked out.
func Method(how string) string {
	if text := methods[how]; text != "" {
		return text
	}
	return strings.ReplaceAll(how, "_", " ")
}
