package definition

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Family is every version of one metric that people made. It is one record: which number is next rests on all of them,
// so two people who certify at once must meet in it.
type Family struct {
	Metric   contract.MetricID `json:"metric"`
	Revision int64             `json:"revision"` // rises with every change
	Versions []Version         `json:"versions"` // oldest first
}

// Standing returns the version that the next one comes after: the newest that was ever certified, among those of the
// family and the shipped one. Nil if there is none.
func (f *Family) Standing(shipped *contract.Definition) *contract.Definition {
	best := shipped
	for i := range f.Versions {
		v := &f.Versions[i]
		if v.State != Certified && v.State != Retired {
			continue
		}
		if best == nil || Newer(v.Definition, *best) > 0 {
			best = &v.Definition
		}
	}
	return best
}

// InUse returns the definition that new plans take: the newest certified one. Nil if every version is retired.
func (f *Family) InUse(shipped *contract.Definition) *contract.Definition {
	best := shipped
	if v, ok := f.find(shippedVersion(shipped)); ok && v.State == Retired {
		best = nil
	}
	for i := range f.Versions {
		v := &f.Versions[i]
		if v.State == Certified && (best == nil || Newer(v.Definition, *best) >= 0) {
			best = &v.Definition
		}
	}
	return best
}

func shippedVersion(d *contract.Definition) string {
	if d == nil {
		return ""
	}
	return d.Version
}

func (f *Family) find(version string) (*Version, bool) {
	i := slices.IndexFunc(f.Versions, func(v Version) bool { return v.Definition.Version == version })
	if i < 0 {
		return nil, false
	}
	return &f.Versions[i], true
}

// List returns every version with the shipped one among them, newest first, each told whether it is in use.
func (f *Family) List(shipped *contract.Definition) []Version {
	all := slices.Clone(f.Versions)
	if _, ok := f.find(shippedVersion(shipped)); shipped != nil && !ok {
		all = append(all, Shipped(*shipped))
	}
	use := f.InUse(shipped)
	for i := range all {
		all[i].InUse = use != nil && use.Version == all[i].Definition.Version
	}
	slices.SortFunc(all, func(a, b Version) int { return Newer(b.Definition, a.Definition) })
	return all
}

// Shipped returns the version that a shipped definition is: certified by who made the product.
func Shipped(d contract.Definition) Version {
	return Version{Definition: d, State: Certified, Revision: 1, Shipped: true, Authors: []string{}, History: []Change{}}
}

// drafted adds a version.
func (f *Family) drafted(d contract.Definition, shipped *contract.Definition, c Change) error {
	if err := Numbered(f.Standing(shipped), d); err != nil {
		return err
	}
	if v, ok := f.find(d.Version); ok {
		return fault.New(fault.Conflict, fault.BadDefinition, "%s %s exists and is %s: edit that one", d.ID, d.Version, v.State)
	}
	c.To, c.Event = Draft, Edit
	f.Versions = append(f.Versions, Version{
		Definition: d, State: Draft, Revision: contract.NextRevision(0, c.At), Authors: []string{c.By}, History: []Change{c},
	})
	return nil
}

// edited replaces what a draft says. Its number stays, so the change from what stands must still be of that size.
func (f *Family) edited(v *Version, d contract.Definition, shipped *contract.Definition, c Change) error {
	if d.ID != v.Definition.ID || d.Version != v.Definition.Version {
		return &fault.Error{Kind: fault.Invalid, Code: fault.BadDefinition, At: "/version", Text: "an edit keeps id and version; another version is another draft"}
	}
	if err := Numbered(f.Standing(shipped), d); err != nil {
		return err
	}
	if err := v.move(Edit, v.actor(c.By), c); err != nil {
		return err
	}
	v.Definition = d
	if !slices.Contains(v.Authors, c.By) {
		v.Authors = append(slices.Clip(v.Authors), c.By)
	}
	return nil
}

// moved changes the state of a version. What is certified must still come right after what stands: another version may
// have been certified since it was drafted.
func (f *Family) moved(v *Version, e Event, shipped *contract.Definition, c Change) error {
	if e == Certify {
		if err := Numbered(f.Standing(shipped), v.Definition); err != nil {
			return err
		}
	}
	return v.move(e, v.actor(c.By), c)
}

// restored puts a certified definition back that an active plan carries; false if the family knows that version.
func (f *Family) restored(d contract.Definition, c Change) bool {
	if _, ok := f.find(d.Version); ok {
		return false
	}
	v := Version{Definition: d, State: Draft, Authors: []string{}}
	if v.move(Restore, Recovery, c) != nil {
		return false
	}
	f.Versions = append(f.Versions, v)
	return true
}
