// Package report writes what a suite answers as a person reads it on a terminal: the statement of an import, a goal's
// card, a directive with its answer, the hops on its way, what a plan collects and lacks. It owns the lines and their
// width; the wording of numbers and reasons is package wording's, as on the page. It computes nothing.
package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Width is the number of columns that lines keep to; only a single word that is longer goes beyond.
const Width = 110

// Say writes text after lead, which may be empty or a label, in lines of at most [Width] columns. The lines after the
// first begin where the first one's text does. It writes nothing where the text is empty.
func Say(out io.Writer, lead, text string) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return
	}
	indent := strings.Repeat(" ", utf8.RuneCountInString(lead))
	line, empty := lead, true
	for _, w := range words {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > Width {
			write(out, line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+w, false
	}
	write(out, line)
}

func write(out io.Writer, line string) {
	_, _ = fmt.Fprintln(out, line) // a terminal that went away ends the process by its signal
}

// Plain writes a code such as a status without underscores.
func Plain(code string) string { return strings.ReplaceAll(code, "_", " ") }

// Sentence writes words with a capital at the beginning and a full stop at the end.
func Sentence(words string) string {
	if words == "" {
		return ""
	}
	_, n := utf8.DecodeRuneInString(words)
	return strings.ToUpper(words[:n]) + strings.TrimSuffix(words[n:], ".") + "."
}
