package client

import (
	"context"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// ModelLine is all fits of one model of some customers, from the first to the last.
type ModelLine struct {
	Subject struct {
		Model string              `json:"model"`
		Scope *contract.Condition `json:"scope"` // of the customers; nil: all
	} `json:"subject"`
	Line []ModelFit       `json:"line"`
	Why  *contract.Reason `json:"why"` // why nothing came of the last fit that was tried
}

// ModelFit is one fit.
type ModelFit struct {
	Number  int                 `json:"number"`
	State   contract.ModelState `json:"state"`
	Trials  []ModelTrial        `json:"trials"`
	History []struct {
		To   contract.ModelState `json:"to"`
		AsOf time.Time           `json:"asOf"`
	} `json:"history"`
}

// ModelTrial is one time that a fit was held against what came later.
type ModelTrial struct {
	AsOf    time.Time         `json:"asOf"`   // the end of what it was held against
	Fitted  time.Time         `json:"fitted"` // the end of the data that it was fitted on
	HoldOut *contract.HoldOut `json:"holdOut"`
}

// Models reads the fits of all models.
func (c *Client) Models(ctx context.Context) ([]ModelLine, error) {
	var page struct {
		Items []ModelLine `json:"items"`
	}
	err := c.Get(ctx, "/api/operational/v1/models", &page)
	return page.Items, err
}
