package client

import (
	"io"
	"net/http"
	"testing"
)

func TestInsightsAreReadPageByPage(t *testing.T) {
	t.Parallel()
	var asked []string
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		switch {
		case r.URL.Path == "/api/strategic/v1/insights/in-1":
			_, _ = io.WriteString(w, `{"insight":{"id":"in-1"},"line":"Knowledge since 3 May 2026"}`)
		case r.URL.Query().Get("cursor") == "":
			_, _ = io.WriteString(w, `{"items":[{"insight":{"id":"in-1"}}],"next":"c1"}`)
		default:
			_, _ = io.WriteString(w, `{"items":[{"insight":{"id":"in-2"}}],"next":""}`)
		}
	})
	all, err := c.Insights(t.Context(), "g1", "knowledge")
	if err != nil || len(all) != 2 || all[1].Insight.ID != "in-2" {
		t.Fatalf("%v, %+v", err, all)
	}
	if asked[0] != "/api/strategic/v1/insights?goal=g1&limit=200&state=knowledge" || asked[1] != "/api/strategic/v1/insights?cursor=c1&goal=g1&limit=200&state=knowledge" {
		t.Error(asked)
	}
	if one, err := c.Insight(t.Context(), "in-1"); err != nil || one.Line != "Knowledge since 3 May 2026" {
		t.Errorf("%v, %+v", err, one)
	}
}

func TestWindowsHaveTheZoneOfTheOrganisation(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"Europe/Vienna": "Europe/Vienna", "": "UTC", "Mars/Olympus": "UTC"} {
		if got := (&Claim{Zone: name}).Location().String(); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
