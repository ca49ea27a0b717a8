package insight

import (
	"encoding/json"
	"time"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// State is what is kept of an insight between looks. It holds nothing of single customers.
type State struct {
	Order       string             `json:"order"`          // hash of what was ordered: another order begins anew
	Seen        contract.Day       `json:"seen,omitempty"` // end of the last window that was looked at
	At          metric.Span        `json:"at"`             // the window of the publication
	Standing    *validity.Standing `json:"standing,omitempty"`
	PublishedAt *time.Time         `json:"publishedAt,omitempty"`
	Fit         int                `json:"fit,omitempty"`   // of the model, which the publication rests on
	Model       string             `json:"model,omitempty"` // whose fits were told what this claim came to
	Cap         *int64             `json:"cap,omitempty"`   // of what one customer adds, in units of their terms
	Group       string             `json:"group,omitempty"` // of a mover
	Among       int                `json:"among,omitempty"` // groups that it was chosen out of
	Base        *float64           `json:"base,omitempty"`  // of a difference
	Rank        *contract.RankOf   `json:"rank,omitempty"`  // of a percentile
	Later       *watch             `json:"later,omitempty"` // velocity
	Spread      *watch             `json:"spread,omitempty"`
	Windows     []contract.Shifted `json:"windows,omitempty"`  // closed since publication, at most mostWindows
	Ratio       *float64           `json:"ratio,omitempty"`    // of the last window's spread to the baseline's
	LogE        []float64          `json:"logE,omitempty"`     // evidence against the claim, by question
	Smallest    int64              `json:"smallest,omitempty"` // customers in the smallest group that the last look told of
	Split       bool               `json:"split,omitempty"`    // at the last look, formats or sources disagreed
	Since       contract.Day       `json:"since,omitempty"`    // when the last claim fell: windows before are no baseline of another
	Fell        int                `json:"fell,omitempty"`     // looks at new windows since a verdict failed
	Before      int                `json:"before,omitempty"`   // publications under an order that was changed
	Anew        []Anew             `json:"anew,omitempty"`     // re-publications, oldest first
	Early       bool               `json:"early,omitempty"`    // at the last look too little had come for Volume to be judged
	Lost        bool               `json:"lost,omitempty"`     // of its own windows or those it was compared with, facts have expired: it is made anew
}

// Anew is a re-publication and its reason: a question that failed, or that facts have expired.
type Anew struct {
	At  contract.Day `json:"at"`
	Why string       `json:"why"`
}

// expired is why a claim is made anew that did not fall: of what it was compared with, facts have expired.
const expired = "expired"

// watch is a series of closed windows that is watched.
type watch struct {
	frame
	Base     int               `json:"base"` // windows of the baseline; 0 against a statement
	Fed      int               `json:"fed"`
	Velocity validity.Velocity `json:"velocity"`
	Quiet    int               `json:"quiet,omitempty"`  // number, from 1, of the last window that may not be told of
	Fell     int               `json:"fell,omitempty"`   // number, from 1, of the window that proved it false
	Missed   validity.Reason   `json:"missed,omitempty"` // why the last window could not be judged
	// Arrived is the share of the facts of the next window, which has ended, that has come: too few for it to be judged.
	Arrived *float64 `json:"arrived,omitempty"`
	// Gone says that facts have expired of what windows are compared with: no more are, and what they proved before stays proved.
	Gone bool `json:"gone,omitempty"`
}

const (
	// mostWindows bounds how many closed windows are told of.
	mostWindows = 52
	// patience is for how many windows a claim stays fallen before it is made anew: everybody above sees that it fell.
	patience = 3
)

// fallen reports whether a verdict has failed.
func (s *State) fallen() bool {
	return s.Standing != nil && s.Standing.Verdicts.Any(contract.Fails)
}

// worn reports whether the claim has stayed fallen for so long that it is made anew at the next window, or has lost what it was
// compared with. While ways of coming or sources disagree, any other value would fall as well.
func (s *State) worn() bool { return s.Lost || s.fallen() && s.Fell >= patience && !s.Split }

// encode is the state as bytes: equal states have equal bytes.
func (s *State) encode() ([]byte, error) { return json.Marshal(s) }
