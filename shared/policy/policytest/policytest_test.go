package policytest

import (
	"strings"
	"testing"
	"testing/fstest"
)

const rule = `package strata.demo.issue

default allow := false

allow if input.role == "executive"
`

const allowTest = `package strata.demo.issue_test

import data.strata.demo.issue

test_allows if issue.allow with input as {"role": "executive"}
`

const denyTest = `
test_denies if not issue.allow with input as {"role": "manager"}
`

func files(rule, tests string) fstest.MapFS {
	return fstest.MapFS{
		"issue/issue.rego":      {Data: []byte(rule)},
		"issue/issue_test.rego": {Data: []byte(tests)},
	}
}

func TestRunAcceptsTestsOfBothOutcomes(t *testing.T) {
	t.Parallel()
	Run(t, files(rule, allowTest+denyTest), "demo")
}

func TestExamineFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	header, _, _ := strings.Cut(allowTest, "test_allows")
	for name, c := range map[string]struct{ rule, tests, want string }{
		"no deny test":  {rule, allowTest, "must deny"},
		"no allow test": {rule, header + denyTest, "must allow"},
		"failing test":  {strings.Replace(rule, "executive", "nobody", 1), allowTest + denyTest, "does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems, err := examine(t.Context(), files(c.rule, c.tests), "demo")
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != 1 || !strings.Contains(problems[0], c.want) {
				t.Errorf("problems %q, want one with %q", problems, c.want)
			}
		})
	}
}

func TestExamineRefusesAnEmptyLayer(t *testing.T) {
	t.Parallel()
	if _, err := examine(t.Context(), files(rule, allowTest+denyTest), "other"); err == nil {
		t.Error("a layer without rules passed")
	}
	if _, err := examine(t.Context(), fstest.MapFS{}, "demo"); err == nil {
		t.Error("no files at all passed")
	}
}
