// Package chart draws what the five verdicts on an insight rest on: the funnel of values as customers were read, closed windows
// in their band with the flag of the shelf life, the value without each format, without its tail, and without unknown
// sources. A chart is a [Scene] of few kinds of marks with one geometry, so that every renderer shows the same: SVG is here,
// for a page and as a file of its own; a PDF takes the scene.
//
// It is pure, and computes nothing but where things lie. Nothing is told by colour alone: shapes, dashes and words say it too.
package chart

// Scene is one picture. Coordinates are in units of a CSS pixel or a point, from the top left.
type Scene struct {
	Title         string // what it shows
	Desc          string // what can be read off it, in words, for who cannot see it
	Width, Height float64
	Marks         []Mark // in the order in which they are drawn
	Blank         bool   // it only says that there is nothing to draw yet
}

// Mark is one of [Line], [Rect], [Dot] and [Text].
type Mark interface{ mark() }

// Line is a straight line.
type Line struct {
	X1, Y1, X2, Y2 float64
	Width          float64
	Tone           Tone
	Dash           Dash
}

// Rect is a filled rectangle; with an outline it is drawn by its edge alone.
type Rect struct {
	X, Y, W, H float64
	Tone       Tone
	Outline    bool
	Dash       Dash   // of the outline
	Title      string // for who points at it
}

// Dot marks a point.
type Dot struct {
	X, Y, R float64
	Tone    Tone
	Shape   Shape
	Title   string // for who points at it
}

// Text is one line of text; Y is its baseline.
type Text struct {
	X, Y    float64
	Size    float64
	Tone    Tone
	Anchor  Anchor
	Bold    bool
	Content string
}

func (Line) mark() {}
func (Rect) mark() {}
func (Dot) mark()  {}
func (Text) mark() {}

// Tone is the part that a mark plays; a renderer gives it a colour.
type Tone string

// The tones. On paper, ink, soft, accent, good, warn and bad have a contrast of at least 4.5; band and rule are grounds.
const (
	Ink    Tone = "ink"
	Soft   Tone = "soft"
	Rule   Tone = "rule"
	Accent Tone = "accent"
	Band   Tone = "band"
	Good   Tone = "good"
	Warn   Tone = "warn"
	Bad    Tone = "bad"
	Paper  Tone = "card" // what all lies on
)

// Tones returns every tone.
func Tones() []Tone { return []Tone{Ink, Soft, Rule, Accent, Band, Good, Warn, Bad, Paper} }

// RGB is a colour.
type RGB struct{ R, G, B uint8 }

// Light is the tone's colour on white paper.
func (t Tone) Light() RGB {
	return map[Tone]RGB{
		Ink: {0x1d, 0x24, 0x30}, Soft: {0x56, 0x60, 0x72}, Rule: {0xde, 0xdb, 0xd4}, Accent: {0x17, 0x4a, 0x7c}, Band: {0xd5, 0xe2, 0xf0},
		Good: {0x0f, 0x6b, 0x3c}, Warn: {0x7a, 0x4b, 0x00}, Bad: {0x9c, 0x1f, 0x1f}, Paper: {0xff, 0xff, 0xff},
	}[t]
}

// Dark is the tone's colour on a dark screen.
func (t Tone) Dark() RGB {
	return map[Tone]RGB{
		Ink: {0xe8, 0xeb, 0xf0}, Soft: {0xa9, 0xb2, 0xc1}, Rule: {0x32, 0x3b, 0x49}, Accent: {0x8d, 0xbd, 0xf0}, Band: {0x28, 0x40, 0x5b},
		Good: {0x7f, 0xd6, 0xa4}, Warn: {0xf0, 0xc2, 0x6c}, Bad: {0xff, 0x9d, 0x94}, Paper: {0x1a, 0x20, 0x2a},
	}[t]
}

// Dash is how a line is broken.
type Dash uint8

// The dashes.
const (
	Solid Dash = iota
	Dashed
	Dotted
)

// Shape of a dot: what lies inside what is allowed is round, what is uncertain a triangle, what lies outside a diamond.
type Shape uint8

// The shapes.
const (
	Circle Shape = iota
	Triangle
	Diamond
)

// Anchor is which part of a text lies at its X.
type Anchor uint8

// The anchors.
const (
	Start Anchor = iota
	Middle
	End
)

// add puts marks on top of what is there.
func (s *Scene) add(marks ...Mark) { s.Marks = append(s.Marks, marks...) }
