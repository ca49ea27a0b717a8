package plan

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// Own says who answers for what the plan collects: who is named with the parameter, and where nobody is, whom governance names
// for its type of data. What nobody is named for stays without.
func (p *Plan) Own(owners []contract.DataOwner) {
	p.Parts = slices.Clone(p.Parts)
	for i := range p.Parts {
		part := &p.Parts[i]
		part.Collect = slices.Clone(part.Collect)
		for j := range part.Collect {
			own(&part.Collect[j].Parameter, owners)
		}
	}
}

func own(p *contract.Parameter, owners []contract.DataOwner) {
	i := slices.IndexFunc(owners, func(o contract.DataOwner) bool { return o.DataType == p.DataType })
	if i < 0 {
		return
	}
	if p.Owner == "" {
		p.Owner = owners[i].Owner
	}
	if p.Steward == "" {
		p.Steward = owners[i].Steward
	}
}
