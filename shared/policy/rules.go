package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// sources are the parsed files of one layer.
type sources struct {
	layer    string
	hash     string
	packages map[string]map[string]*ast.Module // package path → file → module
	inputs   map[string]Input
}

// load parses the files and checks that they and the inputs name the same rules.
func load(files fs.FS, layer string, inputs map[string]Input) (*sources, error) {
	s := &sources{layer: layer, packages: map[string]map[string]*ast.Module{}, inputs: inputs}
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		raw, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s\x00%d\x00%s", path, len(raw), raw)
		return s.parse(path, string(raw))
	})
	if err != nil {
		return nil, fmt.Errorf("policy: read the rules of %s: %w", layer, err)
	}
	s.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	return s, s.check()
}

func (s *sources) parse(path, text string) error {
	m, err := ast.ParseModuleWithOpts(path, text, ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities()})
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(m.Package.Path.String(), "data.")
	if s.packages[name] == nil {
		s.packages[name] = map[string]*ast.Module{}
	}
	s.packages[name][path] = m
	return nil
}

func (s *sources) packageOf(rule string) string { return "strata." + s.layer + "." + rule }

// check finds rules without input, inputs without rule, and rules that are not closed.
func (s *sources) check() error {
	var errs []error
	for _, rule := range slices.Sorted(maps.Keys(s.inputs)) {
		if s.inputs[rule].err != nil || s.inputs[rule].root == nil {
			errs = append(errs, errors.Join(s.inputs[rule].err, fmt.Errorf("policy: rule %s has no input: make it with InputOf", rule)))
		}
		if !s.closed(s.packageOf(rule)) {
			errs = append(errs, fmt.Errorf("policy: package %s is missing, or does not say `default allow := false`", s.packageOf(rule)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.packages)) {
		rule, ours := strings.CutPrefix(name, "strata."+s.layer+".")
		if _, ok := s.inputs[rule]; s.decides(name) && !(ours && ok) {
			errs = append(errs, fmt.Errorf("policy: package %s decides and no input is named for it", name))
		}
	}
	return errors.Join(errs...)
}

// decides says whether the package has a rule allow.
func (s *sources) decides(name string) bool {
	return s.anyRule(name, func(r *ast.Rule) bool { return r.Head.Name == "allow" || r.Head.Ref().String() == "allow" })
}

// closed says whether the package has `default allow := false`.
func (s *sources) closed(name string) bool {
	return s.anyRule(name, func(r *ast.Rule) bool {
		return r.Default && r.Head.Ref().String() == "allow" && r.Head.Value != nil && r.Head.Value.Equal(ast.BooleanTerm(false))
	})
}

func (s *sources) anyRule(name string, is func(*ast.Rule) bool) bool {
	for _, m := range s.packages[name] {
		if slices.ContainsFunc(m.Rules, is) {
			return true
		}
	}
	return false
}

// modules returns the rule's package and all it refers to, so that its input's fields are checked in all of them.
func (s *sources) modules(rule string) map[string]*ast.Module {
	out, names := map[string]*ast.Module{}, []string{s.packageOf(rule)}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		for path, m := range s.packages[name] {
			if out[path] == nil {
				out[path] = m
				names = append(names, s.referred(m)...)
			}
		}
	}
	return out
}

func (s *sources) referred(m *ast.Module) []string {
	var names []string
	ast.WalkRefs(m, func(r ast.Ref) bool {
		text := strings.TrimPrefix(r.ConstantPrefix().String(), "data.")
		for name := range s.packages {
			if text == name || strings.HasPrefix(text, name+".") {
				names = append(names, name)
			}
		}
		return false
	})
	return names
}

// capabilities are OPA's without what reaches the network, the clock or chance.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool { return b.Nondeterministic })
	c.AllowNet = []string{}
	return c
}

// compile compiles the rule with all it refers to, strictly, and against its input's fields.
func (s *sources) compile(rule string) (*ast.Compiler, error) {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, s.inputs[rule].root.schema())
	c := ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true).WithSchemas(schemas).
		WithDefaultRegoVersion(ast.RegoV1)
	c.Compile(s.modules(rule))
	if c.Failed() {
		return nil, fmt.Errorf("policy: rule %s.%s: %w", s.layer, rule, c.Errors)
	}
	return c, s.positive(rule, c)
}

// positive refuses a negation in allow and in whatever it rests on: `not x` is true when x is undefined, for example
// because a field has another name, so it would fail open.
func (s *sources) positive(rule string, c *ast.Compiler) error {
	start := c.GetRulesExact(ast.MustParseRef("data." + s.packageOf(rule) + ".allow"))
	seen, queue := map[*ast.Rule]bool{}, start
	for len(queue) > 0 {
		r := queue[0]
		queue = queue[1:]
		if seen[r] {
			continue
		}
		seen[r] = true
		var negated *ast.Expr
		ast.WalkExprs(r, func(e *ast.Expr) bool {
			if e.Negated {
				negated = e
			}
			return negated != nil
		})
		if negated != nil {
			return fmt.Errorf("policy: rule %s.%s: %s: allow rests on a negation, which is true when a value is missing: say what must hold instead",
				s.layer, rule, negated.Location)
		}
		for dependency := range c.Graph.Dependencies(r) {
			if d, ok := dependency.(*ast.Rule); ok {
				queue = append(queue, d)
			}
		}
	}
	return nil
}

// bundle is the rules with one revision of the data, ready to be asked.
type bundle struct {
	name     string
	revision int64
	rules    map[string]prepared
}

type prepared struct {
	allow, reasons rego.PreparedEvalQuery
	memo           *memo // nil: every decision is evaluated
}

// prepare makes the data known to the rules and evaluates them as far as they do not depend on the input.
func (s *sources) prepare(ctx context.Context, revision int64, data any) (*bundle, error) {
	document, err := plain(data)
	if err != nil {
		return nil, err
	}
	b := &bundle{name: fmt.Sprintf("%s-%s.%d", s.layer, s.hash, revision), revision: revision, rules: map[string]prepared{}}
	for rule := range s.inputs {
		p, err := s.prepareRule(ctx, rule, document)
		if err != nil {
			return nil, fmt.Errorf("policy: rule %s.%s with data of revision %d: %w", s.layer, rule, revision, err)
		}
		if s.inputs[rule].perEvent {
			p.memo = newMemo()
		}
		b.rules[rule] = p
	}
	return b, nil
}

// plain turns data into JSON's own types, which OPA's store holds.
func plain(data any) (map[string]any, error) {
	if data == nil {
		data = struct{}{}
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("policy: data cannot be written as JSON: %w", err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("policy: data is not an object: %w", err)
	}
	return map[string]any{"governance": v}, nil
}

func (s *sources) prepareRule(ctx context.Context, rule string, document map[string]any) (prepared, error) {
	allow, err := s.prepareAllow(ctx, rule, document)
	if err != nil {
		return prepared{}, err
	}
	c, err := s.compile(rule)
	if err != nil {
		return prepared{}, err
	}
	reasons, err := rego.New(rego.Query("data."+s.packageOf(rule)+".reasons"), rego.Compiler(c), rego.Store(inmem.NewFromObject(document)),
		rego.Capabilities(capabilities()), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
	return prepared{allow: allow, reasons: reasons}, err
}

const (
	partialLimit    = 200 * time.Millisecond // what evaluating a rule partially may take
	partialBranches = 100                    // and the alternatives it may leave; more are slower than the rule itself
)

// prepareAllow evaluates the rule partially, with the input unknown. Where OPA cannot, or the result would be large, the
// rule is asked as it is; the answers are the same.
func (s *sources) prepareAllow(ctx context.Context, rule string, document map[string]any) (rego.PreparedEvalQuery, error) {
	fresh := func() ([]func(*rego.Rego), error) {
		c, err := s.compile(rule)
		return []func(*rego.Rego){rego.Query("data." + s.packageOf(rule) + ".allow"), rego.Compiler(c),
			rego.Store(inmem.NewFromObject(document)), rego.Capabilities(capabilities()), rego.StrictBuiltinErrors(true)}, err
	}
	options, err := fresh()
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	if query, err := partially(ctx, options); err == nil {
		return query, nil
	}
	if options, err = fresh(); err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	return rego.New(options...).PrepareForEval(ctx)
}

func partially(ctx context.Context, options []func(*rego.Rego)) (rego.PreparedEvalQuery, error) {
	limited, cancel := context.WithTimeout(ctx, partialLimit)
	defer cancel()
	residue, err := rego.New(options...).Partial(limited)
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	branches := len(residue.Queries)
	for _, m := range residue.Support {
		branches += len(m.Rules)
	}
	if branches > partialBranches {
		return rego.PreparedEvalQuery{}, errors.New("too many alternatives")
	}
	wildcard.Lock()
	defer wildcard.Unlock()
	partial, err := rego.New(options...).PartialResult(limited)
	if err != nil {
		return rego.PreparedEvalQuery{}, err
	}
	return partial.Rego(rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
}

// wildcard keeps the engines of one process from evaluating partially at once: OPA 1.22's PartialResult rewrites the
// package variable ast.Wildcard in place (found by the race detector).
var wildcard sync.Mutex
