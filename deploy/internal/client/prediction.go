package client

import (
	"context"
	"net/url"

	"github.com/strata-crm/strata/shared/contract"
)

// Prediction is what a model tells of all customers together.
type Prediction struct {
	Kind  string        `json:"kind"`
	AsOf  contract.Day  `json:"asOf"`
	Weeks float64       `json:"weeks"`
	N     int64         `json:"n"`
	Mean  *float64      `json:"mean"`
	Unit  contract.Unit `json:"unit"`
	// Currency is that of money, ISO 4217.
	Currency string            `json:"currency"`
	Groups   []PredictionGroup `json:"groups"`
	// Interval is that of the mean.
	Interval *struct {
		Low   float64 `json:"low"`
		High  float64 `json:"high"`
		Level float64 `json:"level"`
	} `json:"interval"`
	Model struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		N       int64  `json:"n"`
		State   string `json:"state"`
		Fit     int    `json:"fit"`
		HoldOut struct {
			Design    string             `json:"design"`
			Customers int64              `json:"customers"`
			Weeks     float64            `json:"weeks"`
			Measures  map[string]float64 `json:"measures"`
		} `json:"holdOut"`
	} `json:"model"`
	Curve *struct {
		Watched float64 `json:"watchedDays"`
		Median  *struct {
			Days float64  `json:"days"`
			Low  *float64 `json:"low"`
			High *float64 `json:"high"`
		} `json:"median"`
		Points []CurvePoint `json:"points"`
	} `json:"curve"`
	Retention *struct {
		Until   string   `json:"until"`
		Cohorts []Cohort `json:"cohorts"`
	} `json:"retention"`
}

// PredictionGroup is customers who are alike. Figures are nil where there are too few to tell.
type PredictionGroup struct {
	Key       string   `json:"key"`
	Text      string   `json:"text"`
	Customers *int64   `json:"customers"`
	Share     *float64 `json:"share"`
	Mean      *float64 `json:"mean"`
}

// CurvePoint is the share who have not come back by a day, with its 95 % interval.
type CurvePoint struct {
	Days float64 `json:"days"`
	Not  float64 `json:"notYet"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Cohort is the customers who first bought in a month, and the shares who bought in each month since.
type Cohort struct {
	Cohort    string `json:"cohort"`
	Customers int64  `json:"customers"`
	Active    []*struct {
		Share float64 `json:"share"`
	} `json:"active"`
}

// Prediction reads the summary of a kind of predictions.
func (c *Client) Prediction(ctx context.Context, kind string, q url.Values) (p Prediction, err error) {
	err = c.Get(ctx, "/api/operational/v1/predictions/"+url.PathEscape(kind)+"?"+q.Encode(), &p)
	return p, err
}
