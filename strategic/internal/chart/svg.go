package chart

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// Rules are the style rules by which marks take their colours from the custom properties --ink, --soft, --rule, --accent,
// --band, --good, --warn, --bad and --card of the page that they are on.
func Rules() string {
	var b strings.Builder
	for _, t := range Tones() {
		fmt.Fprintf(&b, ".cf-%[1]s{fill:var(--%[1]s)}.cs-%[1]s{stroke:var(--%[1]s)}", t)
	}
	return b.String()
}

// properties are the colours of a file of its own.
func properties(colour func(Tone) RGB) string {
	var b strings.Builder
	for _, t := range Tones() {
		fmt.Fprintf(&b, "--%s:%s;", t, hex(colour(t)))
	}
	return b.String()
}

func hex(c RGB) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// SVG returns the scene as an element of a page that has [Rules]; id is unique on it.
func (s Scene) SVG(id string) string {
	var b strings.Builder
	s.open(&b, id)
	s.marks(&b)
	b.WriteString("</svg>")
	return b.String()
}

// File returns the scene as an SVG file that brings its colours along, for light and for dark.
func (s Scene) File() string {
	var b strings.Builder
	s.open(&b, "chart")
	fmt.Fprintf(&b, `<style>svg{%s;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}@media (prefers-color-scheme:dark){svg{%s}}%s</style>`,
		strings.TrimSuffix(properties(Tone.Light), ";"), properties(Tone.Dark), Rules())
	fmt.Fprintf(&b, `<rect class="cf-card" fill="%s" width="%s" height="%s"/>`, hex(Paper.Light()), num(s.Width), num(s.Height))
	s.marks(&b)
	b.WriteString("</svg>")
	return b.String()
}

func (s Scene) open(b *strings.Builder, id string) {
	id = html.EscapeString(id)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="%[1]s-t %[1]s-d" viewBox="0 0 %[2]s %[3]s" width="%[2]s" height="%[3]s"><title id="%[1]s-t">%[4]s</title><desc id="%[1]s-d">%[5]s</desc>`,
		id, num(s.Width), num(s.Height), html.EscapeString(s.Title), html.EscapeString(s.Desc))
}

func (s Scene) marks(b *strings.Builder) {
	for _, m := range s.Marks {
		switch m := m.(type) {
		case Line:
			fmt.Fprintf(b, `<line x1="%s" y1="%s" x2="%s" y2="%s" stroke-width="%s"%s%s/>`, num(m.X1), num(m.Y1), num(m.X2), num(m.Y2), num(m.Width), stroke(m.Tone), dash(m.Dash))
		case Rect:
			m.svg(b)
		case Dot:
			m.svg(b)
		case Text:
			m.svg(b)
		}
	}
}

func (r Rect) svg(b *strings.Builder) {
	look := fill(r.Tone)
	if r.Outline {
		look = ` fill="none" stroke-width="1.5"` + stroke(r.Tone) + dash(r.Dash)
	}
	element(b, "rect", fmt.Sprintf(`x="%s" y="%s" width="%s" height="%s"%s`, num(r.X), num(r.Y), num(r.W), num(r.H), look), r.Title)
}

func (d Dot) svg(b *strings.Builder) {
	switch d.Shape {
	case Triangle:
		element(b, "polygon", fmt.Sprintf(`points="%s"%s`, points(d.Corners()), fill(d.Tone)), d.Title)
	case Diamond:
		element(b, "polygon", fmt.Sprintf(`points="%s"%s`, points(d.Corners()), fill(d.Tone)), d.Title)
	default:
		element(b, "circle", fmt.Sprintf(`cx="%s" cy="%s" r="%s"%s`, num(d.X), num(d.Y), num(d.R), fill(d.Tone)), d.Title)
	}
}

// Corners returns the corners of a triangle or diamond as x and y in turn; none of a circle.
func (d Dot) Corners() []float64 {
	r := d.R * 1.3 // as large to the eye as the circle
	switch d.Shape {
	case Triangle:
		return []float64{d.X, d.Y - r, d.X + r, d.Y + r*.8, d.X - r, d.Y + r*.8}
	case Diamond:
		return []float64{d.X, d.Y - r, d.X + r, d.Y, d.X, d.Y + r, d.X - r, d.Y}
	}
	return nil
}

func points(xy []float64) string {
	var ps []string
	for n := 0; n+1 < len(xy); n += 2 {
		ps = append(ps, num(xy[n])+","+num(xy[n+1]))
	}
	return strings.Join(ps, " ")
}

func (t Text) svg(b *strings.Builder) {
	anchor := map[Anchor]string{Start: "", Middle: ` text-anchor="middle"`, End: ` text-anchor="end"`}[t.Anchor]
	weight := ""
	if t.Bold {
		weight = ` font-weight="600"`
	}
	fmt.Fprintf(b, `<text x="%s" y="%s" font-size="%s"%s%s%s>%s</text>`, num(t.X), num(t.Y), num(t.Size), anchor, weight, fill(t.Tone), html.EscapeString(t.Content))
}

func element(b *strings.Builder, name, attributes, title string) {
	if title == "" {
		fmt.Fprintf(b, "<%s %s/>", name, attributes)
		return
	}
	fmt.Fprintf(b, "<%s %s><title>%s</title></%s>", name, attributes, html.EscapeString(title), name)
}

// fill and stroke carry the light colour too, for viewers that read no style.
func fill(t Tone) string   { return fmt.Sprintf(` class="cf-%s" fill="%s"`, t, hex(t.Light())) }
func stroke(t Tone) string { return fmt.Sprintf(` class="cs-%s" stroke="%s"`, t, hex(t.Light())) }

func dash(d Dash) string {
	switch d {
	case Dashed:
		return ` stroke-dasharray="6 4"`
	case Dotted:
		return ` stroke-dasharray="1.5 3.5" stroke-linecap="round"`
	}
	return ""
}

// num writes a coordinate to a tenth.
func num(v float64) string {
	text := strconv.FormatFloat(v, 'f', 1, 64)
	return strings.TrimSuffix(text, ".0")
}
