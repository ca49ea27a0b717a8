// Package print is the scorecard on paper: the page's content as a PDF, for a meeting. It owns how it is laid out, and
// nothing of what it says.
package print

import (
	"bytes"
	"fmt"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"

	"github.com/strata-crm/strata/strategic/internal/page"
)

// Measures of the page, in millimetres and points.
const (
	margin     = 18.0
	lineHeight = 5.0
	body       = 9.5
	small      = 8.0
	heading    = 13.0
	title      = 18.0
	family     = "go"
)

// Scorecard returns the page's content as a PDF (ISO 32000), A4. It fails only where a font cannot be embedded.
func Scorecard(v page.View) ([]byte, error) {
	p := &paper{fpdf.New("P", "mm", "A4", "")}
	p.begin(v)
	p.top(v)
	for _, g := range v.Goals {
		p.goal(g)
	}
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("print the scorecard: %w", err)
	}
	return out.Bytes(), nil
}

type paper struct{ *fpdf.Fpdf }

func (p *paper) begin(v page.View) {
	p.AddUTF8FontFromBytes(family, "", goregular.TTF)
	p.AddUTF8FontFromBytes(family, "B", gobold.TTF)
	p.SetTitle("Scorecard, "+v.Rendered, true)
	p.SetLang("en")
	p.SetMargins(margin, margin, margin)
	p.SetAutoPageBreak(true, margin)
	p.SetFooterFunc(func() {
		p.SetY(-margin + 4)
		p.font("", small, grey)
		p.CellFormat(0, lineHeight, fmt.Sprintf("Strata scorecard, %s. Page %d", v.Rendered, p.PageNo()), "", 0, "L", false, 0, "")
	})
	p.AddPage()
}

// colour is red, green and blue.
type colour [3]int

var (
	black = colour{26, 26, 26}
	grey  = colour{90, 90, 90}
	// What the page's classes mean on paper; each also has a symbol and a word.
	classes = map[string]colour{"good": {20, 95, 50}, "warn": {135, 80, 0}, "bad": {160, 25, 25}, "none": grey}
)

func (p *paper) font(style string, size float64, c colour) {
	p.SetFont(family, style, size)
	p.SetTextColor(c[0], c[1], c[2])
}

// line writes a paragraph.
func (p *paper) line(style string, size float64, c colour, text string) {
	if text == "" {
		return
	}
	p.font(style, size, c)
	p.MultiCell(0, lineHeight*size/body, text, "", "L", false)
}

// pair writes a name and, after it, what belongs to it.
func (p *paper) pair(name, text string) {
	if text == "" {
		return
	}
	const width = 34
	p.font("B", body, black)
	p.CellFormat(width, lineHeight, name, "", 0, "L", false, 0, "")
	p.font("", body, black)
	p.MultiCell(0, lineHeight, text, "", "L", false)
}

func (p *paper) top(v page.View) {
	p.line("B", title, black, "Scorecard")
	as := "as of now"
	if v.AsOf != "" {
		as = "as of " + v.AsOf
	}
	p.line("", body, grey, fmt.Sprintf("Printed %s for %s, %s. Every number has its window and its sample; “proven” is said apart from the status.", v.Rendered, v.Who, as))
	p.Ln(2)
	for _, a := range v.Asked {
		p.pair("Asked of you", a.Goal+": "+a.Text)
	}
}

func (p *paper) goal(g page.GoalView) {
	p.room(55)
	p.Ln(3)
	p.SetDrawColor(200, 200, 200)
	p.Line(margin, p.GetY(), 210-margin, p.GetY())
	p.Ln(2)
	p.line("B", heading, black, g.Name)
	p.line("", small, grey, fmt.Sprintf("%s. Owner: %s. Deadline: %s, %s.", g.Variable, g.Owner, g.Deadline, g.Kind))
	p.font("B", body, classes[g.Status.Class])
	status := g.Status.Word
	if g.BackTest {
		status += " (a back-test: the deadline lies in the past)"
	}
	p.MultiCell(0, lineHeight, status, "", "L", false)
	p.line("", body, classes[g.ProofClass], g.Proof)
	if g.Model != "" {
		p.line("", body, classes["none"], g.Model)
	}
	for _, f := range g.Figures() {
		p.figure(f)
	}
	p.pair("Why", g.Why)
	p.pair("Lacking", g.Lacks)
	p.pair("Moved by", g.Moved)
	for _, n := range g.Notes {
		p.pair("Note", n)
	}
	p.pair("Asked", g.Ask)
	p.history(g.History)
	for _, c := range g.Claims {
		p.claim(c)
	}
}

func (p *paper) figure(f page.Figure) {
	text := f.Text
	if f.Short != "" {
		text += "  (" + f.Short + ")"
	}
	p.pair(f.Label, text)
}

// months is how many of the last windows are printed.
const months = 6

func (p *paper) history(rows []page.HistoryRow) {
	if len(rows) == 0 {
		return
	}
	p.Ln(1)
	widths := []float64{34, 48, 22, 0}
	p.cells("B", grey, widths, "Window", "Value", "n", "Status")
	for _, r := range rows[:min(months, len(rows))] {
		p.cells("", black, widths, r.Window, r.Value, r.N, r.Status.Word)
	}
}

func (p *paper) cells(style string, c colour, widths []float64, texts ...string) {
	p.font(style, small, c)
	for i, text := range texts {
		next := 0
		if i == len(texts)-1 {
			next = 1
		}
		p.CellFormat(widths[i], lineHeight*small/body, text, "", next, "L", false, 0, "")
	}
}
