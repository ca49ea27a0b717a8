package expr

import (
	"errors"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pcre"
)

// regexOp is $regexMatch, $regexFind and $regexFindAll. A constant pattern is compiled once.
type regexOp struct {
	name string
	mu   sync.Mutex
	last string
	re   *pcre.Finder
}

func parseRegex(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(51103, "%s expects an object of named arguments but found: %s", name, TypeName(arg))
	}
	args, err := named(arg, s, 31024, name+" found unknown argument: %s", "input", "regex", "options")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, mongoerr.New(31022, "%s requires 'input' parameter", name)
	}
	if args[1] == nil {
		return nil, mongoerr.New(31023, "%s requires 'regex' parameter", name)
	}
	op := &regexOp{name: name}
	return newCall(op.call, args)
}

func (op *regexOp) call(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	input, pattern, options, null, err := op.operands(args)
	if err != nil {
		return bsonx.Missing, err
	}
	var re *pcre.Finder
	if !null || pattern != "" {
		if re, err = op.compile(pattern, options); err != nil {
			return bsonx.Missing, err
		}
	}
	if null {
		return op.none(), nil
	}
	return op.find(re, input), nil
}

// operands checks the three arguments; null tells that one of input and regex is absent.
func (op *regexOp) operands(args []bson.RawValue) (input, pattern, options string, null bool, err error) {
	flags := ""
	switch {
	case bsonx.IsNullish(args[1]):
		null = true
	case args[1].Type == bson.TypeRegex:
		pattern, flags = bsonx.RegexParts(args[1])
	case args[1].Type == bson.TypeString:
		pattern = stringOf(args[1])
	default:
		return "", "", "", false, mongoerr.New(51105, "%s needs 'regex' to be of type string or regex", op.name)
	}
	if !bsonx.IsNullish(args[2]) {
		if args[2].Type != bson.TypeString {
			return "", "", "", false, mongoerr.New(51106, "%s needs 'options' to be of type string", op.name)
		}
		if flags != "" {
			return "", "", "", false, mongoerr.New(51107, "%s found regex option(s) specified in both 'regex' and 'option' fields", op.name)
		}
		flags = stringOf(args[2])
	}
	switch {
	case bsonx.IsNullish(args[0]):
		null = true
	case args[0].Type != bson.TypeString:
		return "", "", "", false, mongoerr.New(51104, "%s needs 'input' to be of type string", op.name)
	default:
		input = stringOf(args[0])
	}
	if strings.Contains(pattern, "\x00") {
		return "", "", "", false, mongoerr.New(51109, "%s: regular expression cannot contain an embedded null byte", op.name)
	}
	if strings.Contains(flags, "\x00") {
		return "", "", "", false, mongoerr.New(51110, "%s: regular expression options cannot contain an embedded null byte", op.name)
	}
	return input, pattern, flags, null, nil
}

func (op *regexOp) compile(pattern, options string) (*pcre.Finder, error) {
	key := options + "/" + pattern
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.re != nil && op.last == key {
		return op.re, nil
	}
	re, err := compileRegex(pattern, options)
	if err != nil {
		return nil, err
	}
	op.last, op.re = key, re
	return re, nil
}

// compileRegex compiles a PCRE pattern with MongoDB's options (i, m, s, x, u) for Go's engine. A pattern that only a
// backtracking engine can run (look-around, back-references) answers an explicit unsupported error; an invalid one 51111.
func compileRegex(pattern, options string) (*pcre.Finder, error) {
	if i := strings.IndexFunc(options, func(c rune) bool { return !strings.ContainsRune("imsxu", c) }); i >= 0 {
		return nil, mongoerr.New(51108, "invalid flag in regex options: %c", options[i])
	}
	re, err := pcre.NewFinder(pattern, options)
	var se *syntax.Error
	if errors.As(err, &se) && needsBacktracking(se, pattern) {
		return nil, ErrUnsupported("the regular expression %q needs a backtracking engine", pattern)
	}
	if err != nil {
		return nil, mongoerr.New(51111, "Invalid Regex: %v", err)
	}
	return re, nil
}

func needsBacktracking(err *syntax.Error, pattern string) bool {
	switch err.Code {
	case syntax.ErrInvalidPerlOp, syntax.ErrInvalidRepeatOp, syntax.ErrInvalidRepeatSize:
		return true
	case syntax.ErrInvalidEscape:
		return !strings.HasSuffix(pattern, `\`)
	}
	return false
}

func (op *regexOp) none() bson.RawValue {
	switch op.name {
	case "$regexMatch":
		return bsonx.Bool(false)
	case "$regexFindAll":
		return bsonx.ArrayOf()
	}
	return bsonx.Null
}

func (op *regexOp) find(re *pcre.Finder, input string) bson.RawValue {
	switch op.name {
	case "$regexMatch":
		return bsonx.Bool(re.Match(input))
	case "$regexFind":
		if m := re.Find(input, 0, 0); m != nil {
			return matchDoc(input, m)
		}
		return bsonx.Null
	}
	return findAll(re, input)
}

// findAll looks for each match where the last one ended, one character on after an empty one, and never at the end of a text that
// is not empty, as MongoDB does.
func findAll(re *pcre.Finder, input string) bson.RawValue {
	b := bsonx.NewArray(0)
	for from := 0; ; {
		_, before := utf8.DecodeLastRuneInString(input[:from])
		m := re.Find(input, from, before)
		if m == nil {
			break
		}
		b.Append(matchDoc(input, m))
		if from = m[1]; m[0] == m[1] {
			_, size := utf8.DecodeRuneInString(input[from:])
			from += size
		}
		if from >= len(input) {
			break
		}
	}
	return b.Value()
}

func matchDoc(input string, m []int) bson.RawValue {
	captures := bsonx.NewArray(0)
	for i := 2; i < len(m); i += 2 {
		if m[i] < 0 {
			captures.Append(bsonx.Null)
		} else {
			captures.Append(bsonx.String(input[m[i]:m[i+1]]))
		}
	}
	d := bsonx.NewDoc(0)
	d.Append("match", bsonx.String(input[m[0]:m[1]]))
	d.Append("idx", bsonx.Int32(int32(utf8.RuneCountInString(input[:m[0]]))))
	d.Append("captures", captures.Value())
	return d.Value()
}
