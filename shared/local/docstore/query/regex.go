package query

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pcre"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxPattern is the longest pattern MongoDB compiles.
const maxPattern = 16384

// regexPredicate matches strings, and the same regular expression stored as a value.
type regexPredicate struct {
	pattern, options string
	re               *regexp.Regexp
	prefix           string // what every match begins with, "" where unknown
}

func (r *regexPredicate) test(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeString, bson.TypeSymbol:
		return r.re.Match(bsonx.StringBytes(v))
	case bson.TypeRegex:
		p, o := bsonx.RegexParts(v)
		return p == r.pattern && o == r.options
	}
	return false
}

func newRegex(pattern, options string) (*regexPredicate, error) {
	if strings.IndexByte(pattern, 0) >= 0 {
		return nil, bad("Regular expression cannot contain an embedded null byte")
	}
	if i := strings.IndexFunc(options, func(c rune) bool { return !strings.ContainsRune("imsxu", c) }); i >= 0 {
		return nil, mongoerr.New(51108, "invalid flag in regex options: %c", options[i])
	}
	if len(pattern) > maxPattern {
		return nil, mongoerr.New(51091, "Regular expression is invalid: regular expression is too large")
	}
	re, err := regexp.Compile(pcre.Translate(pattern, options))
	if err != nil {
		return nil, regexError(err)
	}
	r := &regexPredicate{pattern: pattern, options: options, re: re}
	if strings.HasPrefix(pattern, "^") && options == "" {
		r.prefix = literalPrefix(pattern[1:])
	}
	return r, nil
}

// regexError tells a pattern that is wrong from one that only PCRE can run.
func regexError(err error) error {
	var se *syntax.Error
	if errors.As(err, &se) && onlyPCRE(se) {
		return mongoerr.New(mongoerr.NotImplemented, "this store's regular expressions do not support %s", se.Expr)
	}
	return mongoerr.New(51091, "Regular expression is invalid: %v", err)
}

func onlyPCRE(e *syntax.Error) bool {
	switch e.Code {
	case syntax.ErrInvalidPerlOp:
		for _, p := range []string{"(?=", "(?!", "(?<", "(?>", "(?#", "(?|", "(?(", "(?R", "(?&"} {
			if strings.HasPrefix(e.Expr, p) {
				return true
			}
		}
	case syntax.ErrInvalidEscape:
		return strings.ContainsAny(e.Expr[:min(2, len(e.Expr))], "123456789gkGKRXNH")
	case syntax.ErrInvalidRepeatOp, syntax.ErrInvalidRepeatSize:
		return true
	}
	return false
}

// literalPrefix returns the text at the start of a pattern that stands for itself.
func literalPrefix(p string) string {
	if strings.ContainsAny(p, "|") {
		return ""
	}
	i := strings.IndexAny(p, `\.+*?()[]{}^$#`)
	if i < 0 {
		return p
	}
	if i > 0 && strings.IndexByte("*?{", p[i]) >= 0 {
		i-- // the quantifier makes the last character optional
		for i > 0 && p[i]&0xC0 == 0x80 {
			i--
		}
	}
	return p[:i]
}

// regexArg takes the pattern and options of $regex with $options beside it, Missing where there is none.
func regexArg(pattern, options bson.RawValue, optionsFirst bool) (*regexPredicate, error) {
	opts := ""
	switch {
	case bsonx.IsMissing(options):
	case options.Type != bson.TypeString:
		return nil, bad("$options has to be a string")
	default:
		opts = options.StringValue()
	}
	switch pattern.Type {
	case bson.TypeString:
		return newRegex(pattern.StringValue(), opts)
	case bson.TypeRegex:
	default:
		return nil, bad("$regex has to be a string")
	}
	p, own := bsonx.RegexParts(pattern)
	if own != "" && !bsonx.IsMissing(options) {
		code := int32(51075)
		if optionsFirst {
			code = 51074
		}
		return nil, mongoerr.New(code, "options set in both $regex and $options")
	}
	return newRegex(p, own+opts)
}
