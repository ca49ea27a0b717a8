package export

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
)

func writeCSV(w io.Writer, t Table, rows Rows) error {
	out := csv.NewWriter(w)
	line := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		line[i] = c.Name
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for row, err := range rows {
		if err == nil {
			err = checked(t, row)
		}
		if err != nil {
			return err
		}
		for i, v := range row {
			line[i] = cell(v)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func cell(v any) string {
	switch v := v.(type) {
	case string:
		return harmless(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return ""
}

// harmless puts an apostrophe before a text that a spreadsheet would run as a formula (OWASP, CSV Injection). Numbers are
// written from numbers and never come here.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
