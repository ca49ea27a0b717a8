package directive

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// Taken is a parameter that a directive was carried out to collect, and for how many days the last of its revisions that was
// carried out and asked for it needs that; 0 if it does not say.
type Taken struct {
	Parameter contract.ParameterName `json:"parameter"`
	DataType  contract.DataType      `json:"dataType"`
	Days      int                    `json:"retentionDays,omitempty"`
}

// Collected returns what the directive was ever carried out to collect, whatever has become of it since: what was collected
// outlives the state that collected it. It is nothing for one that was never accepted, however it ended. Of a record that is
// older than this note, what its present revision asks for stands for all that its revisions did.
func (r *Record) Collected() []Taken {
	if len(r.Taken) > 0 || r.Order == nil || !slices.ContainsFunc(r.Answer.History, func(s contract.Step) bool { return carriedOut(s.State) }) {
		return r.Taken
	}
	old := Record{Order: r.Order}
	old.take()
	return old.Taken
}

// Asks reports whether the directive goes on asking for what it once took: where it runs, its revision says so; one whose
// revision waits for its answer asks for what the one before it did.
func (r *Record) Asks(t Taken) bool {
	return r.Waits() || r.Running() && slices.ContainsFunc(r.Order.Collect, func(c contract.Collection) bool {
		return c.Parameter.Name == t.Parameter && c.Parameter.DataType == t.DataType
	})
}

// take notes what the revision that is about to be carried out collects.
func (r *Record) take() {
	for _, c := range r.Order.Collect {
		t := Taken{c.Parameter.Name, c.Parameter.DataType, r.Order.Constraints.RetentionDays}
		at := slices.IndexFunc(r.Taken, func(o Taken) bool { return o.Parameter == t.Parameter && o.DataType == t.DataType })
		if at < 0 {
			r.Taken = append(r.Taken, t)
			continue
		}
		r.Taken[at] = t
	}
}
