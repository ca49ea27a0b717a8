// Package definition owns the versions of metric definitions: the life of each from draft to retirement, which number a
// change must get, and which version is in use. It does not say whether a definition is valid (package metric does), and
// it computes nothing.
package definition

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Number is a version number: major.minor.patch.
type Number [3]int

var number = regexp.MustCompile(`^([1-9]\d{0,5})\.(\d{1,6})\.(\d{1,6})$`)

// Parse returns the number that a text says; false if it says none.
func Parse(s string) (Number, bool) {
	m := number.FindStringSubmatch(s)
	if m == nil {
		return Number{}, false
	}
	var n Number
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // the expression lets in nothing but digits
	}
	return n, n.String() == s // no leading noughts: one number is written in one way
}

// String returns the number as it is written.
func (n Number) String() string { return fmt.Sprintf("%d.%d.%d", n[0], n[1], n[2]) }

// Compare returns -1, 0 or 1 as n lies before, at or after o.
func (n Number) Compare(o Number) int { return slices.Compare(n[:], o[:]) }

// Newer compares the versions of two definitions; a malformed one comes before every other.
func Newer(a, b contract.Definition) int {
	x, _ := Parse(a.Version)
	y, _ := Parse(b.Version)
	return x.Compare(y)
}

// Bump is which part of the number a change raises.
type Bump int

// The bumps, from none to the largest.
const (
	NoBump Bump = iota
	Patch       // the words: label, description, owner, steward
	Minor       // additions that leave every value as it was
	Major       // whatever changes history: a new series begins
)

// String returns the bump's name.
func (b Bump) String() string { return [...]string{"none", "patch", "minor", "major"}[b] }

// Raised returns the number after n for a bump.
func (n Number) Raised(b Bump) Number {
	switch b {
	case Major:
		return Number{n[0] + 1, 0, 0}
	case Minor:
		return Number{n[0], n[1] + 1, 0}
	case Patch:
		return Number{n[0], n[1], n[2] + 1}
	}
	return n
}

// Needed returns the bump that the change from one definition to the next needs. Words are a patch. A further parameter, a
// dimension where there was none, and which way is better are minor: no value changes by them. Everything else is major,
// a field that this package has never heard of included: it may change history.
func Needed(from, to contract.Definition) Bump {
	switch {
	case !contract.Same(meaning(from), meaning(to)) || dropped(from.Parameters, to.Parameters) || from.Dimension != "" && from.Dimension != to.Dimension:
		return Major
	case from.Better != to.Better || from.Dimension != to.Dimension || dropped(to.Parameters, from.Parameters):
		return Minor
	case from.Label != to.Label || from.Description != to.Description || from.Owner != to.Owner || from.Steward != to.Steward:
		return Patch
	}
	return NoBump
}

// meaning returns d without what may change while its history stays.
func meaning(d contract.Definition) contract.Definition {
	d.Version, d.Label, d.Description, d.Owner, d.Steward = "", "", "", "", ""
	d.Better, d.Dimension, d.Parameters = "", "", nil
	return d
}

// dropped reports whether a parameter of from is not in to.
func dropped(from, to []contract.ParameterName) bool {
	return slices.ContainsFunc(from, func(p contract.ParameterName) bool { return !slices.Contains(to, p) })
}

// first is the number that a new metric begins with.
var first = Number{1, 0, 0}

// Numbered returns nil if d has the number that follows from what it changes: base is the version that it comes after,
// nil for a new metric. The fault says which number is expected, and why.
func Numbered(base *contract.Definition, d contract.Definition) error {
	have, ok := Parse(d.Version)
	switch {
	case !ok:
		return misnumbered("must be major.minor.patch, such as 1.0.0")
	case base == nil && have != first:
		return misnumbered("a new metric begins with %s", first)
	case base == nil:
		return nil
	}
	from, _ := Parse(base.Version)
	bump := Needed(*base, d)
	switch want := from.Raised(bump); {
	case bump == NoBump:
		return misnumbered("this is %s as it is: nothing has changed", from)
	case have != want:
		return misnumbered("what differs from %s is a %s change, so the version is %s, not %s", from, bump, want, have)
	}
	return nil
}

func misnumbered(format string, args ...any) error {
	return &fault.Error{Kind: fault.Invalid, Code: fault.BadDefinition, At: "/version", Text: fmt.Sprintf(format, args...)}
}
