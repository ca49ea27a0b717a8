// Package fitting keeps the lines of fitted models (package model): it decides when a model is fitted, holds each fit
// against weeks later than its data, and takes the verdicts of the claims that rest on it to its line.
//
// A line goes window by window. When the first window is closed for which it can, a fit is made of the data until some
// weeks before the window's end and tried on those weeks; from then on it is in use, its parameters follow the data, and it
// is held out again once as many weeks have passed as the last time. When a claim that rests on it falls it expires with the
// window that was looked at, and from that window on another fit is tried at every window until one is no worse. All of that
// depends on the facts, on the windows closed and on what was found before; a window at which a fit was tried is not tried
// again, so that nothing is fitted over and over.
//
// It owns no statistics, which are package btyd's, and measures nothing: package metric asks [Keeper.Line] what a number of
// a window may rest on.
package fitting

import (
	"context"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
)

// Record is a line as it is kept. It holds nothing of single customers.
type Record struct {
	Version int64         `json:"-"` // of the document; 0 where there is none
	Subject model.Subject `json:"subject"`
	Line    model.Line    `json:"line"`
	Claims  []model.Said  `json:"claims,omitempty"` // that rest on the current fit, by id, as they were last looked at
	// Tried and Renewed are the ends of the last windows at which a fit was tried, and at which the one in use was held out
	// again; Why is why nothing came of the former.
	Tried    contract.Day     `json:"tried,omitempty"`
	Renewed  contract.Day     `json:"renewed,omitempty"`
	Why      *contract.Reason `json:"why,omitempty"`
	Contains map[int]int64    `json:"contains,omitempty"` // by partition, the position of ingest when a fit was last tried
}

// Store keeps the records.
type Store interface {
	// Line returns the record of a subject's id, the zero value if there is none.
	Line(ctx context.Context, id string) (Record, error)
	// PutLine stores a record. It fails, Conflict, where the stored one is not of r's version any more.
	PutLine(ctx context.Context, r Record) error
	// Lines returns all records by id: a handful.
	Lines(ctx context.Context) ([]Record, error)
}

// Histories reads what customers bought.
type Histories interface {
	// Settle brings the persons that linked identities belong to up to date: who is linked counts as one customer in what is
	// read from now on, and the days on which they did anything are touched.
	Settle(ctx context.Context) error
	// Divided returns the customers in the scope who bought anything before the day cut, as they were then, with the days
	// from cut to before end on which they bought.
	Divided(ctx context.Context, cut, end contract.Day, scope *contract.Condition) ([]btyd.Tested, error)
}
