package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Subject is what one line of fits is about: a model of some customers. Whatever is read off it (a metric, a forecast for
// a claim, predictions of customers) rests on the same line, whoever ordered it.
type Subject struct {
	Model string              `json:"model"`           // such as mbg_nbd
	Scope *contract.Condition `json:"scope,omitempty"` // of the customers; none: all
}

// ID names the subject, the same at all times.
func (s Subject) ID() string {
	raw, _ := json.Marshal(s.Scope)
	sum := sha256.Sum256(raw)
	return s.Model + "-" + hex.EncodeToString(sum[:8])
}

// Failures are the lines that could not be brought up to date, by the id of their subject, and why. What rests on other lines
// goes on without them.
type Failures map[string]error

// Err joins them; nil if there are none.
func (f Failures) Err() error {
	var all []error
	for _, id := range slices.Sorted(maps.Keys(f)) {
		all = append(all, fmt.Errorf("fit %s: %w", id, f[id]))
	}
	return errors.Join(all...)
}

// Said is what a claim that rests on a fit has come to.
type Said struct {
	Claim    contract.InsightID `json:"claim"`
	Fit      int                `json:"fit"`
	AsOf     time.Time          `json:"asOf"` // the end of the window that was looked at last
	Verdicts contract.Verdicts  `json:"verdicts"`
}

// severity orders verdicts by what they say against a fit.
var severity = []contract.Verdict{contract.Holds, contract.NotEnoughData, contract.Weakening, contract.Fails}

// Gravest is the verdicts on a fit by all claims that rest on it: of each question the gravest. Without any it is not
// enough data.
func Gravest(all []Said) contract.Verdicts {
	const none = contract.NotEnoughData
	if len(all) == 0 {
		return contract.Verdicts{Volume: none, Velocity: none, Variety: none, Variability: none, Veracity: none}
	}
	out := all[0].Verdicts
	for _, s := range all[1:] {
		out = contract.Verdicts{
			Volume: graver(out.Volume, s.Verdicts.Volume), Velocity: graver(out.Velocity, s.Verdicts.Velocity),
			Variety: graver(out.Variety, s.Verdicts.Variety), Variability: graver(out.Variability, s.Verdicts.Variability),
			Veracity: graver(out.Veracity, s.Verdicts.Veracity),
		}
	}
	return out
}

func graver(a, b contract.Verdict) contract.Verdict {
	if slices.Index(severity, b) > slices.Index(severity, a) {
		return b
	}
	return a
}
