package policytest

import (
	"maps"
	"slices"
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

const conditions = `package strata.demo.issue

default allow := false

longest := 3650

allow if {
	input.role in {"executive", "manager"}
	every days in input.kept {
		days > 0
		days <= longest
	}
}

reasons contains sprintf("kept for %d days", [longest]) if {
	some days in input.kept
	days > longest
}
`

const conditionTests = `package strata.demo.issue_test

import data.strata.demo.issue

test_bounds if issue.allow with input as {"role": "executive", "kept": [1, 3650]}

test_manager if issue.allow with input as {"role": "manager", "kept": [1, 3650]}

test_role if not issue.allow with input as {"role": "clerk", "kept": [1]}

test_never if not issue.allow with input as {"role": "executive", "kept": [1, 0]}

test_long if not issue.allow with input as {"role": "executive", "kept": [1, 3651]}

test_for_what if issue.reasons == {"kept for 3650 days"} with input as {"role": "executive", "kept": [1, 3651]}

test_why_not if issue.reasons == set() with input as {"role": "executive", "kept": [3650]}
`

// Each case taken out leaves a condition that could be taken out, too, and that is named.
func TestExamineFindsConditionsWithoutACase(t *testing.T) {
	t.Parallel()
	if problems, err := examine(t.Context(), files(conditions, conditionTests), "demo"); err != nil || len(problems) > 0 {
		t.Fatalf("with all cases: %q, %v", problems, err)
	}
	for name, want := range map[string]string{
		"test_bounds":  `"executive~"`,
		"test_manager": `"manager~"`,
		"test_role":    `take out internal.member_2(input.role`,
		"test_never":   "take out gt(days, 0)",
		"test_long":    "take out lte(days, longest)",
		"test_why_not": "reasons: gte instead of gt",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := slices.DeleteFunc(strings.Split(conditionTests, "\n"), func(l string) bool { return strings.HasPrefix(l, name) })
			problems, err := examine(t.Context(), files(conditions, strings.Join(lines, "\n")), "demo")
			if err != nil || !strings.Contains(strings.Join(problems, "\n"), want) {
				t.Errorf("problems %q, %v; want one with %s", problems, err, want)
			}
		})
	}
}

// What a package refers to without an import is not among what its cases run with: they would fail whatever is changed, and so
// seem to notice everything.
func TestExamineRefusesCasesThatFailUnchanged(t *testing.T) {
	t.Parallel()
	reaching := files(strings.Replace(rule, `"executive"`, "data.strata.shared.boss", 1), allowTest+denyTest)
	reaching["shared/shared.rego"] = &fstest.MapFile{Data: []byte("package strata.shared\n\nboss := \"executive\"\n")}
	if problems, err := examine(t.Context(), reaching, "demo"); err == nil || !strings.Contains(err.Error(), "unchanged") {
		t.Errorf("problems %q, %v; want no examination", problems, err)
	}
}

// A condition in a file of the package beside that with allow is changed too.
func TestExamineChangesEveryFileOfAPackage(t *testing.T) {
	t.Parallel()
	two := files(strings.Replace(rule, `input.role == "executive"`, "named", 1), allowTest+denyTest)
	two["issue/named.rego"] = &fstest.MapFile{Data: []byte("package strata.demo.issue\n\nnamed if {\n\tinput.role == \"executive\"\n\tcount(input.role) > 3\n}\n")}
	problems, err := examine(t.Context(), two, "demo")
	if err != nil || !strings.Contains(strings.Join(problems, "\n"), "issue/named.rego") {
		t.Errorf("problems %q, %v; want one of the other file", problems, err)
	}
}

type nested struct {
	Role   string `json:"role"`
	People []struct {
		Name string `json:"name"`
	} `json:"people"`
	Days map[string]int `json:"days"`
}

// Every place of the input is spoilt, but for the keys of a map, which may be any.
func TestMisfitsReachInside(t *testing.T) {
	t.Parallel()
	input := nested{Role: "executive", People: make([]struct {
		Name string `json:"name"`
	}, 1), Days: map[string]int{"a": 1}}
	got := slices.Sorted(maps.Keys(misfits(t, input)))
	want := []string{
		"input with an unknown field", "input.days missing", "input.days of another type", "input.days renamed", "input.days.a of another type",
		"input.people missing", "input.people of another type", "input.people renamed", "input.people[0] of another type",
		"input.people[0] with an unknown field", "input.people[0].name missing", "input.people[0].name of another type",
		"input.people[0].name renamed", "input.role missing", "input.role of another type", "input.role renamed",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q,\nwant %q", got, want)
	}
}
