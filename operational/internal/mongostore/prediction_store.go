package mongostore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

var _ prediction.Histories = (*Metrics)(nil)

// Histories implements prediction.Histories, from the purchases that are kept.
func (s *Metrics) Histories(ctx context.Context, until contract.Day) ([]purchase.History, error) {
	persons, err := s.persons(ctx)
	if err != nil {
		return nil, err
	}
	all, ok, err := s.recalled(ctx, until)
	if err == nil && !ok {
		all, err = s.reread(ctx, until)
	}
	return byPerson(all, persons), err
}

// reread makes histories from rows, which come in the order of their ids: that of customers and days.
func (s *Metrics) reread(ctx context.Context, until contract.Day) ([]purchase.History, error) {
	cur, err := s.db.Collection(rowsCollection).Find(ctx, bson.D{{Key: "_id", Value: between(id(s.tenant, ""), id(s.tenant, "~"))}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(summaryBatch).
			SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "customer", Value: 1}, {Key: "day", Value: 1}, {Key: "revenueMinor", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("histories: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	var all []purchase.History
	for cur.Next(ctx) {
		var row struct {
			Customer identity.Key `bson:"customer"`
			Day      contract.Day `bson:"day"`
			Revenue  int64        `bson:"revenueMinor"`
		}
		if err := cur.Decode(&row); err != nil {
			return nil, fmt.Errorf("histories: %w", mongodb.Fault(err))
		}
		if row.Day > until {
			continue
		}
		day, err := prediction.DayOf(row.Day)
		if err != nil {
			return nil, fmt.Errorf("day of a row: %w", err)
		}
		if n := len(all); n == 0 || all[n-1].Customer != string(row.Customer) {
			all = append(all, purchase.History{Customer: string(row.Customer)})
		}
		h := &all[len(all)-1]
		h.Visits = append(h.Visits, purchase.Visit{Day: day, Minor: row.Revenue})
	}
	return all, mongodb.Fault(cur.Err())
}

// persons returns which identities belong together.
func (s *Metrics) persons(ctx context.Context) (metric.Persons, error) {
	var docs []linkDoc
	if err := all(ctx, s.db.Collection(linksCollection), bson.D{{Key: "tenant", Value: s.tenant}}, &docs); err != nil {
		return nil, fmt.Errorf("identities: %w", err)
	}
	links := make([]identity.Link, len(docs))
	for i, d := range docs {
		links[i] = identity.Link{A: d.A, B: d.B}
	}
	return metric.PersonsOf(links), nil
}

// byPerson puts the histories of a person's identities into one: what they bought on one day is one visit.
func byPerson(all []purchase.History, persons metric.Persons) []purchase.History {
	if len(persons) == 0 {
		return all
	}
	place := map[string]int{}
	var out []purchase.History
	for _, h := range all {
		who := string(persons.Of(identity.Key(h.Customer)))
		if _, known := place[who]; !known {
			place[who] = len(out)
			out = append(out, purchase.History{Customer: who})
		}
		o := &out[place[who]]
		o.Visits = append(o.Visits, h.Visits...)
	}
	for i := range out {
		out[i].Visits = byDay(out[i].Visits)
	}
	slices.SortFunc(out, func(a, b purchase.History) int { return strings.Compare(a.Customer, b.Customer) })
	return out
}

func byDay(visits []purchase.Visit) []purchase.Visit {
	slices.SortStableFunc(visits, func(a, b purchase.Visit) int { return int(a.Day) - int(b.Day) })
	var days []purchase.Visit
	for _, v := range visits {
		if n := len(days); n > 0 && days[n-1].Day == v.Day {
			days[n-1].Minor += v.Minor
			continue
		}
		days = append(days, v)
	}
	return days
}
