package print

import (
	"codeberg.org/go-pdf/fpdf"

	"github.com/strata-crm/strata/strategic/internal/chart"
	"github.com/strata-crm/strata/strategic/internal/page"
)

// claim writes a claim with its five lamps, a sentence each, and the charts that have something to show.
func (p *paper) claim(c page.ClaimView) {
	p.room(30)
	p.Ln(2)
	name := c.Claim
	if c.Own {
		name += " (the proof rests on it)"
	}
	p.line("B", body, black, name+": "+c.Value)
	p.line("", small, grey, c.Sample+"; "+c.Tolerance)
	p.line("", small, grey, c.Note)
	p.line("", body, classes[c.LineClass], c.Line)
	for _, l := range c.Lamps {
		p.lamp(l)
	}
	for _, l := range c.Lamps {
		if !l.Scene.Blank {
			p.scene(l.Scene)
		}
	}
}

func (p *paper) lamp(l page.LampView) {
	const name, word = 22, 28
	p.font("B", small, black)
	p.CellFormat(name, lineHeight, l.Name, "", 0, "L", false, 0, "")
	p.font("B", small, classes[l.Class])
	p.CellFormat(word, lineHeight, l.Word, "", 0, "L", false, 0, "")
	p.font("", small, black)
	p.MultiCell(0, lineHeight, l.Sentence, "", "L", false)
}

// room begins a new sheet where less than so many millimetres are left.
func (p *paper) room(least float64) {
	if _, height := p.GetPageSize(); p.GetY() > height-margin-least {
		p.AddPage()
	}
}

// scene draws a chart across the sheet, no higher than a quarter of it.
func (p *paper) scene(s chart.Scene) {
	width, height := p.GetPageSize()
	scale := min((width-2*margin)/s.Width, height/4/s.Height)
	p.room(s.Height*scale + 2*lineHeight)
	p.Ln(1)
	p.line("B", small, grey, s.Title)
	d := drawing{p, margin, p.GetY(), scale}
	for _, m := range s.Marks {
		d.mark(m)
	}
	p.SetDashPattern(nil, 0)
	p.SetY(d.top + s.Height*scale)
	p.Ln(1)
}

// drawing is where on the sheet a scene lies: its units are scale millimetres.
type drawing struct {
	*paper
	left, top, scale float64
}

func (d drawing) x(v float64) float64 { return d.left + v*d.scale }
func (d drawing) y(v float64) float64 { return d.top + v*d.scale }

func (d drawing) mark(m chart.Mark) {
	switch m := m.(type) {
	case chart.Line:
		d.stroke(m.Tone, m.Width, m.Dash)
		d.Line(d.x(m.X1), d.y(m.Y1), d.x(m.X2), d.y(m.Y2))
	case chart.Rect:
		style := "F"
		if m.Outline {
			style = "D"
			d.stroke(m.Tone, 1, m.Dash)
		}
		d.fill(m.Tone)
		d.Rect(d.x(m.X), d.y(m.Y), m.W*d.scale, m.H*d.scale, style)
	case chart.Dot:
		d.fill(m.Tone)
		d.dot(m)
	case chart.Text:
		d.text(m)
	}
}

func (d drawing) dot(m chart.Dot) {
	corners := m.Corners()
	if len(corners) == 0 {
		d.Circle(d.x(m.X), d.y(m.Y), m.R*d.scale, "F")
		return
	}
	var points []fpdf.PointType
	for i := 0; i+1 < len(corners); i += 2 {
		points = append(points, fpdf.PointType{X: d.x(corners[i]), Y: d.y(corners[i+1])})
	}
	d.Polygon(points, "F")
}

// points is how many points a millimetre has.
const points = 72 / 25.4

func (d drawing) text(m chart.Text) {
	style := ""
	if m.Bold {
		style = "B"
	}
	c := m.Tone.Light()
	d.font(style, m.Size*d.scale*points, colour{int(c.R), int(c.G), int(c.B)})
	x := d.x(m.X)
	switch width := d.GetStringWidth(m.Content); m.Anchor {
	case chart.Middle:
		x -= width / 2
	case chart.End:
		x -= width
	}
	d.Text(x, d.y(m.Y), m.Content)
}

func (d drawing) fill(t chart.Tone) {
	c := t.Light()
	d.SetFillColor(int(c.R), int(c.G), int(c.B))
}

func (d drawing) stroke(t chart.Tone, width float64, dash chart.Dash) {
	c := t.Light()
	d.SetDrawColor(int(c.R), int(c.G), int(c.B))
	d.SetLineWidth(max(.1, width*d.scale))
	d.SetDashPattern(map[chart.Dash][]float64{chart.Dashed: {1.5, 1}, chart.Dotted: {.4, .8}}[dash], 0)
}
