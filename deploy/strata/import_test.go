package main

import (
	"bytes"
	"strings"
	"testing"
)

// On a terminal a bar shows how many rows were sent; elsewhere a line follows at every tenth, and no more often.
func TestProgressOfAnImport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	told, end := progress(terminal{out: &out, tty: true}, 400)
	told(100, 400)
	if moved := out.String(); !strings.Contains(moved, "importing") || !strings.Contains(moved, "25%") || !strings.Contains(moved, "(100/400") {
		t.Errorf("a quarter is shown as %q", moved)
	}
	told(400, 400)
	end()
	out.Reset()
	told, end = progress(terminal{out: &out}, 400)
	for done := int64(0); done <= 400; done += 10 {
		told(done, 400)
	}
	end()
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 11 || lines[0] != "0 of 400 rows sent" || lines[10] != "400 of 400 rows sent" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
}
