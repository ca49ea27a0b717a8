// Package policytest runs the Rego unit tests of a layer and proves that they can fail. It is imported by tests only.
package policytest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// Run runs every rule test_… of the files through OPA and fails t for each that does not hold. Beyond that, for every
// package strata.<layer>.<rule> with a rule allow it puts a rule in its place that always allows, and one that always
// denies: some test must notice each, so every rule has a test of what it denies and one of what it allows. Then it takes out
// every rule and condition of the package and changes its comparisons and constants, one at a time, and the package's own tests
// must notice each: so no condition can be lost unseen. What it does not change is listed at sites; packages without an allow
// are changed nowhere, although others import them.
func Run(t *testing.T, files fs.FS, layer string) {
	t.Helper()
	problems, err := examine(t.Context(), files, layer)
	if err != nil {
		t.Fatalf("policytest: %v", err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// examine returns what is wrong with the tests or what they say is wrong with the rules.
func examine(ctx context.Context, files fs.FS, layer string) ([]string, error) {
	texts, err := read(files)
	if err != nil {
		return nil, err
	}
	modules, err := parse(texts)
	if err != nil {
		return nil, err
	}
	failed, ran, err := run(ctx, modules)
	if err != nil {
		return nil, err
	}
	if len(failed) > 0 {
		return failed, nil
	}
	rules := deciding(modules, layer)
	if ran == 0 || len(rules) == 0 {
		return nil, fmt.Errorf("layer %s has %d tests and %d rules: the files are not where they should be", layer, ran, len(rules))
	}
	problems, err := unnoticed(ctx, texts, rules)
	if err != nil || len(problems) > 0 {
		return problems, err
	}
	return survivors(ctx, texts, rules)
}

func read(files fs.FS) (map[string]string, error) {
	texts := map[string]string{}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") {
			return err
		}
		raw, err := fs.ReadFile(files, path)
		texts[path] = string(raw)
		return err
	})
	return texts, err
}

func parse(texts map[string]string) (map[string]*ast.Module, error) {
	modules, errs := map[string]*ast.Module{}, []error(nil)
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		m, err := ast.ParseModuleWithOpts(path, texts[path], ast.ParserOptions{RegoVersion: ast.RegoV1})
		modules[path] = m
		errs = append(errs, err)
	}
	return modules, errors.Join(errs...)
}

// run returns the tests that do not hold and how many there are.
func run(ctx context.Context, modules map[string]*ast.Module) (failed []string, ran int, err error) {
	store := inmem.New()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer store.Abort(ctx, txn)
	results, err := tester.NewRunner().SetStore(store).SetModules(modules).SetDefaultRegoVersion(ast.RegoV1).
		RaiseBuiltinErrors(true).RunTests(ctx, txn)
	if err != nil {
		return nil, 0, fmt.Errorf("the rules do not compile: %w", err)
	}
	for r := range results {
		ran++
		if !r.Pass() {
			failed = append(failed, fmt.Sprintf("%s: %s.%s does not hold: %v", r.Location, r.Package, r.Name, r.Error))
		}
	}
	return failed, ran, nil
}

// deciding returns the packages of the layer that have a rule allow, with all the files of each.
func deciding(modules map[string]*ast.Module, layer string) map[string][]string {
	rules, decides := map[string][]string{}, map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m := modules[path]
		name := strings.TrimPrefix(m.Package.Path.String(), "data.")
		if strings.HasPrefix(name, "strata."+layer+".") && !strings.HasSuffix(path, "_test.rego") {
			rules[name] = append(rules[name], path)
			decides[name] = decides[name] || slices.ContainsFunc(m.Rules, isAllow)
		}
	}
	maps.DeleteFunc(rules, func(name string, _ []string) bool { return !decides[name] })
	return rules
}

func isAllow(r *ast.Rule) bool { return r.Head.Ref().String() == "allow" }

// unnoticed puts the opposite in place of every rule, and returns what no test notices.
func unnoticed(ctx context.Context, texts map[string]string, rules map[string][]string) ([]string, error) {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		for _, always := range []bool{true, false} {
			modules, err := parse(texts)
			if err != nil {
				return nil, err
			}
			for i, path := range rules[name] {
				replace(modules[path], always, i == 0)
			}
			failed, _, err := run(ctx, modules)
			if err != nil {
				return nil, err
			}
			if len(failed) == 0 {
				problems = append(problems, fmt.Sprintf("%s: a rule that always says %t passes all tests: add a test of an input that it must %s",
					name, always, map[bool]string{true: "deny", false: "allow"}[always]))
			}
		}
	}
	return problems, nil
}

// replace takes allow out of the module and, in one of its package's modules, puts a constant there.
func replace(m *ast.Module, always, first bool) {
	m.Rules = slices.DeleteFunc(m.Rules, isAllow)
	if first {
		constant := ast.MustParseModule(fmt.Sprintf("package p\n\nallow := %t", always)).Rules[0]
		constant.Module = m
		m.Rules = append(m.Rules, constant)
	}
}
