package mongostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// This file reads what is kept. Each function returns false where there is nothing to read now, and rows have to be read.

// everyDay is all days that there can be.
var everyDay = metric.Span{From: "0001-01-01", Until: "9999-12-31"}

// read calls f with the current generation.
func (k *kept) read(ctx context.Context, f func(generation int64) error) (ok bool, err error) {
	generation, ok, err := k.current(ctx)
	if err != nil || !ok {
		return false, err
	}
	if err = f(generation); errors.Is(err, errMadeAnew) {
		return false, nil
	}
	return err == nil, err
}

// derived makes the purchase summaries of all customers as of the day before until.
func (s *Metrics) derived(ctx context.Context, until contract.Day) (out []btyd.Summary, ok bool, err error) {
	end, err := numberOf(until)
	if err != nil {
		return nil, false, err
	}
	persons, err := s.settled(ctx)
	if err != nil {
		return nil, false, err
	}
	ok, err = s.kept.read(ctx, func(generation int64) error {
		out = out[:0]
		apart := map[identity.Key]*keptCustomer{}
		err := s.kept.each(ctx, generation, func(c *keptCustomer) error {
			c.days = c.days[:c.until(end)]
			if person, linked := persons[c.key]; !linked {
				out = appendSummary(out, c, end)
			} else if apart[person] == nil {
				apart[person] = &keptCustomer{person, slices.Clone(c.days)}
			} else {
				apart[person].take(c.days)
			}
			return nil
		})
		for _, person := range sorted(apart) {
			out = appendSummary(out, apart[person], end)
		}
		return err
	})
	return out, ok, err
}

// settled returns the persons that linked identities belong to, as they were last settled.
func (s *Metrics) settled(ctx context.Context) (map[identity.Key]identity.Key, error) {
	cur, err := s.db.Collection(personsCollection).Find(ctx, bson.D{{Key: "_id", Value: s.ofTenant()}}, options.Find().SetProjection(bson.D{{Key: "person", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("persons: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	persons := map[identity.Key]identity.Key{}
	for cur.Next(ctx) {
		var d personDoc
		if err := cur.Decode(&d); err != nil {
			return nil, fmt.Errorf("persons: %w", err)
		}
		persons[identity.Key(d.ID[len(s.tenant)+1:])] = identity.Key(d.Person)
	}
	return persons, mongodb.Fault(cur.Err())
}

// take adds the days of another identity of the same person: what they bought on one day is one purchase.
func (c *keptCustomer) take(days []keptDay) {
	for i := range days {
		at, found := slices.BinarySearchFunc(c.days, days[i].day, func(d keptDay, day int64) int { return cmp.Compare(d.day, day) })
		if found {
			c.days[at].counts.add(&days[i].counts, 1)
		} else {
			c.days = slices.Insert(c.days, at, days[i])
		}
	}
}

func appendSummary(out []btyd.Summary, c *keptCustomer, end int64) []btyd.Summary {
	if len(c.days) == 0 {
		return out
	}
	later := int64(0)
	for _, d := range c.days[1:] {
		later += d.counts[ofRevenue]
	}
	return append(out, summarised(c.days[0].day, c.days[len(c.days)-1].day, end-1, int64(len(c.days)), later))
}

// recalled makes the histories of all identities up to a day, by key.
func (s *Metrics) recalled(ctx context.Context, until contract.Day) (all []purchase.History, ok bool, err error) {
	last, err := numberOf(until)
	if err != nil {
		return nil, false, err
	}
	ok, err = s.kept.read(ctx, func(generation int64) error {
		all = all[:0]
		return s.kept.each(ctx, generation, func(c *keptCustomer) error {
			days := c.days[:c.until(last+1)]
			if len(days) == 0 {
				return nil
			}
			h := purchase.History{Customer: string(c.key), Visits: make([]purchase.Visit, len(days))}
			for i := range days {
				h.Visits[i] = purchase.Visit{Day: purchase.Day(days[i].day), Minor: days[i].counts[ofRevenue]}
			}
			all = append(all, h)
			return nil
		})
	})
	slices.SortFunc(all, func(a, b purchase.History) int { return strings.Compare(a.Customer, b.Customer) })
	return all, ok, err
}

// rolled counts over the orders of some days.
func (s *Metrics) rolled(ctx context.Context, from, until contract.Day) (q metric.Quality, ok bool, err error) {
	ok, err = s.kept.read(ctx, func(generation int64) error {
		total, err := s.kept.rolled(ctx, generation, from, until)
		q = total.quality()
		return err
	})
	return q, ok, err
}
