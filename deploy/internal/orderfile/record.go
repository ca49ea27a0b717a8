package orderfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"strings"
	"unicode/utf8"

	"github.com/strata-crm/strata/shared/fault"
)

// longestRecord is how many lines a quoted field may span: a quotation mark that is never closed must not swallow the file.
const longestRecord = 100

// splitter cuts lines into fields.
type splitter struct {
	comma rune // 0: white space, however long, is one separator
}

// newSplitter returns how lines are cut: as said, or as the first line shows.
func newSplitter(name, first string) (splitter, error) {
	if name == "" {
		name = "space"
		for _, s := range []string{"\t", ";", ","} {
			if strings.Contains(first, s) {
				name = s
				break
			}
		}
	}
	known := map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t', "space": 0}
	comma, ok := known[name]
	if one := []rune(name); !ok && len(one) == 1 {
		comma, ok = one[0], true
	}
	if !ok || comma == '"' || comma == '\n' || comma == '\r' || comma == utf8.RuneError {
		return splitter{}, fault.New(fault.Invalid, fault.BadRequest, "the separator %q is none: use comma, semicolon, tab, space, or one character", name)
	}
	return splitter{comma}, nil
}

// fields cuts a record as CSV's quoting says.
func (s splitter) fields(record string) []string {
	if s.comma == 0 {
		return strings.Fields(record)
	}
	c := csv.NewReader(strings.NewReader(record))
	c.Comma, c.LazyQuotes, c.TrimLeadingSpace, c.FieldsPerRecord = s.comma, true, s.comma != '\t', -1
	fields, err := c.Read()
	if err != nil {
		return nil
	}
	return fields
}

// open reports whether the record ends within a quoted field, so that the next line belongs to it.
func (s splitter) open(record string) bool {
	if s.comma == 0 || !strings.Contains(record, `"`) {
		return false
	}
	text := []rune(record)
	quoted, start := false, true
	for i := 0; i < len(text); i++ {
		switch r := text[i]; {
		case quoted && r == '"' && i+1 < len(text) && text[i+1] == '"':
			i++ // it stands for one
		case quoted && r == '"' && (i+1 == len(text) || text[i+1] == s.comma):
			quoted = false
		case quoted:
		case r == '"' && start:
			quoted = true
		default:
			start = r == s.comma || start && r == ' ' && s.comma != '\t'
		}
		start = start && !quoted
	}
	return quoted
}

// lines returns the file's lines without what ends them. A line of nothing is kept: a quoted field may hold one.
func lines(name string, text []byte) ([]string, error) {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) || bytes.IndexByte(text, 0) >= 0 {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the file %s is not UTF-8 text: save it as CSV in UTF-8, or convert it with iconv -f UTF-16 -t UTF-8", name)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !bytes.Contains(text, []byte("\n")) {
		text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n")) // as old Macintosh programs end lines
	}
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, 1<<20)
	var all []string
	for scan.Scan() {
		all = append(all, strings.TrimRight(scan.Text(), "\r"))
	}
	if err := scan.Err(); err != nil {
		return nil, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the file "+name+" has a line longer than 1 MiB")
	}
	return all, nil
}

// record returns the record that begins with the first line, and how many lines it takes.
func (s splitter) record(lines []string) (string, int) {
	if !s.open(lines[0]) {
		return lines[0], 1
	}
	text := lines[0]
	for n := 1; n < min(len(lines), longestRecord); n++ {
		text += "\n" + lines[n]
		if !s.open(text) {
			return text, n + 1
		}
	}
	return lines[0], 1
}
