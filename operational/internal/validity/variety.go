package validity

import (
	"math"
	"math/bits"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Format is one way in which facts came (a structured call, a file, a survey, text) as V3 sees it.
type Format struct {
	Name    string
	Without Estimate // relative effect of leaving the format's facts out, from [Without], with the whole's Peak
	Own     Estimate // the format's own value relative to the whole, minus 1, with its own Peak; N of 0 where unknown
}

// FormatFinding is what was found about one format.
type FormatFinding struct {
	Name string `json:"name"`
	Finding
	Gap         float64 `json:"gap"`         // of its own value, in the unit of the tolerance
	Tips        bool    `json:"tips"`        // without it the value would lie on the other side of the target
	Contradicts bool    `json:"contradicts"` // its own value is proven to be more than three tolerances off, or beyond the target
}

// VarietyFinding is the answer to V3: the whole and its formats, in the order given.
type VarietyFinding struct {
	Finding
	Formats []FormatFinding `json:"formats"`
}

// Variety (V3) asks whether the value stands when a format is left out. tolerance is relative; unparsed the share, 0 to
// 1, of facts that could not be read; target the target's distance from the value, relative, or NaN where there is none.
// windows counts rolling windows as in [Volume].
//
// It fails when leaving one of the G formats out is proven, at 1 %/G, to move the value by more than the tolerance. It
// holds when no format moves it by more and unparsed × the largest gap of a format stays within the tolerance. A format
// that contradicts but weighs little makes it weakening, and is named; so does one without which the value would lie on the other side
// of the target, however small the move: the decision hangs on it. Tests for any difference (Cochran's Q, I²) are of
// no use here: on enough data they always find one.
func Variety(formats []Format, unparsed, tolerance, target float64, windows int) VarietyFinding {
	v := VarietyFinding{Finding: Finding{Band: tolerance}}
	if len(formats) < 2 {
		v.Finding = notEnough(v.Finding, OneFormat)
		return v
	}
	parts, largest := make([]Finding, len(formats)), 0.0
	for i, f := range formats {
		found := leftOut(f, len(formats), tolerance, target, windows)
		v.Formats = append(v.Formats, found)
		parts[i] = found.Finding
		largest = math.Max(largest, math.Abs(found.Gap))
	}
	v.Finding = Gravest(parts...)
	if v.Verdict != contract.Holds {
		return v
	}
	v.Finding = widest(parts, v.LogE)
	switch {
	case slices.ContainsFunc(v.Formats, func(f FormatFinding) bool { return f.Tips }):
		v.Verdict, v.Reason = contract.Weakening, Tips
	case slices.ContainsFunc(v.Formats, func(f FormatFinding) bool { return f.Contradicts }):
		v.Verdict, v.Reason = contract.Weakening, Contradiction
	case unparsed*largest > tolerance:
		v.Verdict, v.Reason = contract.Weakening, Unparsed
	}
	return v
}

// widest is the finding with the largest effect: what a person is told when all hold.
func widest(parts []Finding, logE float64) Finding {
	w := slices.MaxFunc(parts, func(a, b Finding) int {
		if math.Abs(a.Effect) > math.Abs(b.Effect) {
			return 1
		}
		return -1
	})
	w.LogE = logE
	return w
}

func leftOut(f Format, formats int, tolerance, target float64, windows int) FormatFinding {
	level := Failing().Split(formats)
	found := FormatFinding{Name: f.Name, Finding: Finding{Effect: f.Without.Value, Margin: f.Without.Newcomers(Holding()), Band: tolerance}}
	// One of G formats proven at 1 %/G makes the mean over formats evidence at 1 %.
	found.LogE = f.Without.spent(0, tolerance, level, windows)
	found.Finding = judge(found.Finding, f.Without, level)
	found.Tips = target > 0 && found.Effect > target || target < 0 && found.Effect < target
	if f.Own.N > 0 && !math.IsNaN(f.Own.Value) {
		found.Gap = f.Own.Value
		found.Contradicts = contradicts(f.Own, level, tolerance, target)
	}
	return found
}

// contradicts reports whether the format's own value is proven to be far off, or on the other side of the target.
func contradicts(own Estimate, level Level, tolerance, target float64) bool {
	if own.Withheld() != Released {
		return false
	}
	h := own.Newcomers(level)
	return math.Abs(own.Value)-h > 3*tolerance ||
		target > 0 && own.Value-h > target || target < 0 && own.Value+h < target
}

// FormatGroup is a format, or several small ones together.
type FormatGroup struct {
	Names     []string
	Formats   uint64 // bit i is format i
	Customers int64  // with facts in it
	Others    int64  // with facts in another
}

// Shown reports whether the value without the group may be shown: neither it nor what is left rests on 1 to 9 customers.
func (g FormatGroup) Shown() bool { return g.Customers >= minGroup && g.Others >= minGroup }

// GroupFormats merges formats with fewer than ten customers, and then the smallest others until the merged have ten, so
// that nobody can solve for a small one from the value and the value without the rest. uses holds for each customer the
// set of formats (bit i for names[i]) of their facts. Formats without a customer are dropped. Groups come in the order of names, the merged one last.
// It fails (Invalid) on more than 64 formats.
func GroupFormats(names []string, uses []uint64) ([]FormatGroup, error) {
	if len(names) > 64 {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "%d formats: at most 64 can be told apart; merge some", len(names))
	}
	var groups []FormatGroup
	var other uint64
	for i := range names {
		switch g := groupOf(1<<i, uses); {
		case g.Customers == 0:
		case g.Customers < minGroup:
			other |= g.Formats
		default:
			groups = append(groups, g)
		}
	}
	for other != 0 && len(groups) > 0 && groupOf(other, uses).Customers < minGroup {
		least := 0
		for i, g := range groups {
			if g.Customers < groups[least].Customers {
				least = i
			}
		}
		other |= groups[least].Formats
		groups = slices.Delete(groups, least, least+1)
	}
	if other != 0 {
		groups = append(groups, groupOf(other, uses))
	}
	for i := range groups {
		for set := groups[i].Formats; set != 0; set &= set - 1 {
			groups[i].Names = append(groups[i].Names, names[bits.TrailingZeros64(set)])
		}
	}
	return groups, nil
}

func groupOf(formats uint64, uses []uint64) FormatGroup {
	g := FormatGroup{Formats: formats}
	for _, u := range uses {
		if u&formats != 0 {
			g.Customers++
		}
		if u&^formats != 0 {
			g.Others++
		}
	}
	return g
}
