package main

import (
	"strings"
	"testing"
)

func TestGovernanceSaysUntilWhen(t *testing.T) {
	t.Parallel()
	for want, expires := range map[string]string{
		"until 2027-05-04": "2027-05-04T00:00:00Z",
		"version 1 has expired on 2026-05-04; its rules stay in force until another version is approved": "2026-05-04T12:00:00Z",
	} {
		url, _ := suiteOf(t, map[string]string{"/api/strategic/v1/governance": `{"versions":[
			{"number":1,"state":"in_force","order":{"id":"governance","expires":"` + expires + `"},"approvals":[{"subject":"eva"},{"subject":"max"}]},
			{"number":2,"state":"proposed","approvals":[]}]}`})
		out, err := ran(t, "governance", "show", "--url", url, "--token", "a-token")
		if said := strings.Join(strings.Fields(out), " "); err != nil || !strings.Contains(said, "Version 2: proposed") || !strings.Contains(said, want) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// A token says who acts: another name beside it is refused and not passed over.
func TestANameBesideATokenIsRefused(t *testing.T) {
	t.Parallel()
	url, asked := suiteOf(t, nil)
	for _, c := range [][]string{
		{"governance", "approve"}, {"directive", "approve", "d-1"},
	} {
		_, err := ran(t, append(c, "--url", url, "--token", "a-token", "--as", "executive-2")...)
		if err == nil || !strings.Contains(err.Error(), "the token says who acts") {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := ran(t, "governance", "approve", "--url", url); err == nil || !strings.Contains(err.Error(), "--as EXECUTIVE") {
		t.Errorf("approved by nobody: %v", err)
	}
	if len(*asked) > 0 {
		t.Errorf("asked %v", *asked)
	}
}
