package main

import (
	"strings"
	"testing"
)

func TestPerson(t *testing.T) {
	t.Parallel()
	const done = `{"id":"e-1","state":"done","requestedAt":"2026-05-04T10:00:00Z","requestedBy":"sam","finishedAt":"2026-05-04T10:00:01Z","identities":2,"deleted":{"profiles":2,"facts":7}}`
	url, asked := suiteOf(t, map[string]string{
		"/api/operational/v1/persons/disclosure": `{"identities":2,"held":{"profiles":[{"customer":"0f"}]}}`,
		"/api/operational/v1/erasures":           strings.Replace(done, "done", "running", 1),
		"/api/operational/v1/erasures/e-1":       done,
	})
	to := []string{"--url", url, "--token", "a-token"}
	if out, err := ran(t, append([]string{"person", "show", "ada@example.org"}, to...)...); err != nil || !strings.Contains(out, `"customer": "0f"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := ran(t, append([]string{"person", "erase", "ada@example.org"}, to...)...); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without --yes: %v\n%s", err, out)
	}
	if out, err := ran(t, append([]string{"person", "erase", "a-browser", "--anonymous", "--yes"}, to...)...); err != nil || !strings.Contains(out, "strata person proof e-1") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err := ran(t, append([]string{"person", "proof", "e-1"}, to...)...)
	if err != nil || !strings.Contains(out, "nothing is left of 2 linked identifiers") || !strings.Contains(out, "profiles         2 documents") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, a := range *asked {
		if strings.Contains(a, "ada") || strings.Contains(a, "browser") {
			t.Errorf("the identifier is in the address %s, and so in logs", a)
		}
	}
}
