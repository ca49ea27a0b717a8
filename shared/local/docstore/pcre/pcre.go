// Package pcre writes MongoDB's regular expressions, which are PCRE's, for package regexp. It owns what the two languages write in
// different ways; it does not own which errors are told, nor what only a backtracking engine can run: look-around, back-references.
package pcre

import (
	"regexp"
	"strconv"
	"strings"
)

// inlineFlags are options at the very start of a pattern.
var inlineFlags = regexp.MustCompile(`^\(\?([imsxu]+)\)`)

// Translate writes a pattern for package regexp, to tell whether a text matches: options (i, m, s, x; others are not looked at)
// become flags, "extended" white space and comments are taken out, and $ outside multi-line mode also matches before a last
// newline, which the match then holds; [Finder] finds what the match is without it.
func Translate(pattern, options string) string { return translate(pattern, options, nil) }

// writer writes one pattern.
type writer struct {
	in       string
	out      strings.Builder
	extended bool
	multi    bool
	end      func() string // writes $ and \Z
}

func plainEnd() string { return `(?:\n?\z)` }

func translate(pattern, options string, end func() string) string {
	if m := inlineFlags.FindStringSubmatch(pattern); m != nil {
		pattern, options = pattern[len(m[0]):], options+m[1]
	}
	if end == nil {
		end = plainEnd
	}
	w := writer{in: pattern, extended: strings.Contains(options, "x"), multi: strings.Contains(options, "m"), end: end}
	flags := ""
	for _, c := range "ims" {
		if strings.ContainsRune(options, c) {
			flags += string(c)
		}
	}
	if flags != "" {
		w.out.WriteString("(?" + flags + ")")
	}
	for i := 0; i < len(pattern); {
		i = w.next(i)
	}
	return w.out.String()
}

// next writes what begins at i, outside of a class, and returns where it ends.
func (w *writer) next(i int) int {
	c := w.in[i]
	switch {
	case strings.HasPrefix(w.in[i:], `\Q`):
		return w.quoted(i)
	case c == '\\' && i+1 < len(w.in):
		w.out.WriteString(w.escape(w.in[i+1], false))
		return i + 2
	case c == '[':
		return w.class(i)
	case w.extended && strings.IndexByte(" \t\n\r\f\v", c) >= 0:
		return i + 1
	case w.extended && c == '#':
		for i < len(w.in) && w.in[i] != '\n' {
			i++
		}
		return i
	case c == '$' && !w.multi:
		w.out.WriteString(w.end())
	default:
		w.out.WriteByte(c)
	}
	return i + 1
}

// quoted writes what stands between \Q and \E, or the end, as it is.
func (w *writer) quoted(i int) int {
	text, _, closed := strings.Cut(w.in[i+2:], `\E`)
	w.out.WriteString(regexp.QuoteMeta(text))
	if i += 2 + len(text); closed {
		i += 2
	}
	return i
}

// class writes the class that begins at i.
func (w *writer) class(i int) int {
	w.out.WriteByte('[')
	if i++; strings.HasPrefix(w.in[i:], "^") {
		w.out.WriteByte('^')
		i++
	}
	if strings.HasPrefix(w.in[i:], "]") { // it stands for itself
		w.out.WriteString(`\]`)
		i++
	}
	for i < len(w.in) {
		rest := w.in[i:]
		switch {
		case strings.HasPrefix(rest, `\Q`):
			i = w.quoted(i)
			continue
		case rest[0] == '\\' && len(rest) > 1:
			w.out.WriteString(w.escape(rest[1], true))
			i += 2
			continue
		case strings.HasPrefix(rest, "[:") && strings.Contains(rest, ":]"):
			n := strings.Index(rest, ":]") + 2
			w.out.WriteString(rest[:n])
			i += n
			continue
		case rest[0] == '[':
			w.out.WriteByte('\\')
		}
		w.out.WriteByte(rest[0])
		if i++; rest[0] == ']' {
			return i
		}
	}
	return i
}

func (w *writer) escape(c byte, inClass bool) string {
	switch {
	case c == 'Z' && !inClass:
		return w.end()
	case c == 'E': // of no \Q
		return ""
	case c == 'h' && !inClass:
		return `[ \t]`
	case c == 'h':
		return ` \t`
	case c == 'e':
		return `\x1b`
	}
	return string([]byte{'\\', c})
}

// endMark begins the names of the groups that hold a last newline that $ has passed over.
const endMark = "lastNewline"

// Finder finds a pattern in texts, as PCRE does. It is safe for concurrent use.
type Finder struct {
	first *regexp.Regexp // from the beginning of a text
	later *regexp.Regexp // after its first character, so that ^ and \b see what stands before
	marks []bool         // by group of first
}

// NewFinder compiles a pattern. The error is package regexp's.
func NewFinder(pattern, options string) (*Finder, error) {
	n := 0
	body := translate(pattern, options, func() string {
		n++
		return `(?:(?P<` + endMark + strconv.Itoa(n) + `>\n)?\z)`
	})
	first, err := regexp.Compile(body)
	if err != nil {
		return nil, err
	}
	later, err := regexp.Compile(`\A(?s:.)(?s:.*?)(` + body + `)`)
	if err != nil {
		return nil, err
	}
	f := &Finder{first: first, later: later}
	for _, name := range first.SubexpNames() {
		f.marks = append(f.marks, strings.HasPrefix(name, endMark))
	}
	return f, nil
}

// Match tells whether the text has a match.
func (f *Finder) Match(text string) bool { return f.first.MatchString(text) }

// Find returns the first match that begins at from or later, nil where there is none: the bounds of the match and of each of its
// groups, -1 for a group that has no part in it. from, where it is not 0, is at least 1 and before it stands a whole character of
// which before is the length.
func (f *Finder) Find(text string, from, before int) []int {
	if from == 0 {
		return f.cleaned(f.first.FindStringSubmatchIndex(text))
	}
	base := from - before
	m := f.later.FindStringSubmatchIndex(text[base:])
	if m == nil {
		return nil
	}
	m = m[2:] // the whole is the helper's
	for i := range m {
		if m[i] >= 0 {
			m[i] += base
		}
	}
	return f.cleaned(m)
}

// cleaned takes the last newline, where only $ passed over it, out of a match and its groups.
func (f *Finder) cleaned(m []int) []int {
	if m == nil {
		return nil
	}
	end := m[1]
	for g, mark := range f.marks {
		if mark && m[2*g] >= 0 {
			end = min(end, m[2*g])
		}
	}
	out := make([]int, 0, len(m))
	for g, mark := range f.marks {
		if !mark {
			out = append(out, min(m[2*g], end), min(m[2*g+1], end))
		}
	}
	return out
}
