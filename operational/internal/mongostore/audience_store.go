package mongostore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/attribute"
	"github.com/strata-crm/strata/operational/internal/audience"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

var _ audience.Rows = (*Metrics)(nil)

// portion is how many customers go to the bitmaps at once: while they are put in, nobody counts.
const portion = 5_000

// mostFollowed is how many customers are read one by one; of more, all are read.
const mostFollowed = 20_000

// member is what one identity brings to its person.
type member struct {
	key    identity.Key
	values map[contract.ParameterName]originDoc
	bought totals
}

// totals are the fields of a customer's history up to now.
type totals struct {
	orders, days, revenue, units int64
	first, last                  contract.Day
}

func (t *totals) add(o totals) {
	if o.days == 0 {
		return
	}
	t.orders, t.days, t.revenue, t.units = t.orders+o.orders, t.days+o.days, t.revenue+o.revenue, t.units+o.units
	if t.first == "" || o.first < t.first {
		t.first = o.first
	}
	t.last = max(t.last, o.last)
}

// All implements audience.Rows: profiles and rows both lie in the order of customers and are read side by side. Members of a
// person lie apart; they are kept until the end.
func (s *Metrics) All(ctx context.Context, f func([]attribute.Change) error) error {
	persons, err := s.persons(ctx)
	if err != nil {
		return err
	}
	profiles, err := s.inOrder(ctx, profilesCollection, bson.D{{Key: "customer", Value: 1}, {Key: "values", Value: 1}})
	if err != nil {
		return err
	}
	defer profiles.Close(ctx)
	rows, err := s.inOrder(ctx, rowsCollection, rowFieldsRead)
	if err != nil {
		return err
	}
	defer rows.Close(ctx)
	out := portions{f: f}
	apart := map[identity.Key][]member{}
	history := &histories{cur: rows}
	for profiles.Next(ctx) {
		var p profileRead
		if err := profiles.Decode(&p); err != nil {
			return fmt.Errorf("profiles: %w", mongodb.Fault(err))
		}
		bought, err := history.of(ctx, p.Key)
		if err != nil {
			return err
		}
		m := member{p.Key, p.Values, bought}
		if who, linked := persons[p.Key]; linked {
			apart[who] = append(apart[who], m)
			continue
		}
		if err := out.add(change(p.Key, []member{m})); err != nil {
			return err
		}
	}
	if err := profiles.Err(); err != nil {
		return fmt.Errorf("profiles: %w", mongodb.Fault(err))
	}
	for _, who := range slices.Sorted(maps.Keys(apart)) {
		if err := out.add(change(who, apart[who])); err != nil {
			return err
		}
	}
	return out.flush()
}

func (s *Metrics) inOrder(ctx context.Context, collection string, fields bson.D) (*mongo.Cursor, error) {
	cur, err := s.db.Collection(collection).Find(ctx, bson.D{{Key: "_id", Value: s.ofTenant()}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(fields).SetBatchSize(summaryBatch))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", collection, mongodb.Fault(err))
	}
	return cur, nil
}

// ofTenant is the range of the ids that begin with the tenant.
func (s *Metrics) ofTenant() doc { return between(string(s.tenant)+"|", string(s.tenant)+"}") }

var rowFieldsRead = bson.D{
	{Key: "_id", Value: 0}, {Key: "customer", Value: 1}, {Key: "day", Value: 1}, {Key: "orders", Value: 1}, {Key: "revenueMinor", Value: 1}, {Key: "units", Value: 1},
}

// histories sums rows that come in the order of customers.
type histories struct {
	cur  *mongo.Cursor
	row  dayDoc // read and not yet used
	have bool
}

// of returns the sums of a customer; customers must be asked for in order. Rows of customers who are not asked for are passed.
func (h *histories) of(ctx context.Context, who identity.Key) (t totals, err error) {
	for {
		if !h.have {
			if h.have = h.cur.Next(ctx); !h.have {
				return t, mongodb.Fault(h.cur.Err())
			}
			h.row = dayDoc{}
			if err := h.cur.Decode(&h.row); err != nil {
				return t, fmt.Errorf("rows: %w", mongodb.Fault(err))
			}
		}
		if h.row.Customer > who {
			return t, nil
		}
		if h.row.Customer == who {
			t.add(totals{h.row.Orders, 1, h.row.Revenue, h.row.Units, h.row.Day, h.row.Day})
		}
		h.have = false
	}
}

// portions gathers changes.
type portions struct {
	f       func([]attribute.Change) error
	changes []attribute.Change
}

func (p *portions) add(c attribute.Change) error {
	if p.changes = append(p.changes, c); len(p.changes) < portion {
		return nil
	}
	return p.flush()
}

func (p *portions) flush() error {
	if len(p.changes) == 0 {
		return nil
	}
	err := p.f(p.changes)
	p.changes = p.changes[:0]
	return err
}

// change is what a person is like: of each value that which counts among their identities, and their purchases together. Days
// on which two identities bought count twice among purchase_days; metrics, which know the days, count them once.
func change(who identity.Key, members []member) attribute.Change {
	a := attribute.Attributes{}
	latest := map[contract.ParameterName]time.Time{}
	var bought totals
	for _, m := range members {
		bought.add(m.bought)
		for name, o := range m.values {
			if at, known := latest[name]; !known || o.At.After(at) {
				latest[name] = o.At
				a[string(name)] = attributeValue(o.Value)
			}
		}
	}
	if bought.days > 0 {
		a["orders"], a["purchase_days"], a["revenue"], a["units"] = bought.orders, bought.days, bought.revenue, bought.units
		a[attribute.FirstDay], a[attribute.LastDay] = string(bought.first), string(bought.last)
	}
	return attribute.Change{Customer: who, Attributes: a}
}

// attributeValue returns a stored value as attributes have it.
func attributeValue(v any) any {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case bson.DateTime:
		return v.Time().UTC().Format(time.RFC3339)
	}
	return v
}

// Since implements audience.Rows.
func (s *Metrics) Since(ctx context.Context, position map[int]int64, f func([]attribute.Change) error) error {
	gone, err := s.goneSince(ctx, position[metric.LinksPartition])
	if err != nil {
		return err
	}
	if err := f(gone); err != nil {
		return err
	}
	changed, err := s.changedSince(ctx, position)
	if err != nil {
		return err
	}
	if len(changed) > mostFollowed {
		return s.All(ctx, f)
	}
	persons, err := s.persons(ctx)
	if err != nil {
		return err
	}
	members := map[identity.Key][]identity.Key{}
	for k, who := range persons {
		members[who] = append(members[who], k)
	}
	out, done := portions{f: f}, map[identity.Key]bool{}
	for _, k := range changed {
		who := persons.Of(k)
		if done[who] {
			continue
		}
		done[who] = true
		for _, m := range members[who] { // any of them may have been a person of its own before
			if m == who {
				continue
			}
			if err := out.add(attribute.Change{Customer: m}); err != nil {
				return err
			}
		}
		c, err := s.person(ctx, who, members[who])
		if err == nil {
			err = out.add(c)
		}
		if err != nil {
			return err
		}
	}
	return out.flush()
}

// goneSince returns those who were erased after a position under the partition of links.
func (s *Metrics) goneSince(ctx context.Context, position int64) ([]attribute.Change, error) {
	var docs []suppressedDoc
	if err := all(ctx, s.db.Collection(suppressedCollection), bson.D{{Key: "tenant", Value: s.tenant}, {Key: "gone", Value: op("$gt", position)}}, &docs); err != nil {
		return nil, fmt.Errorf("erased customers: %w", err)
	}
	gone := make([]attribute.Change, len(docs))
	for i, d := range docs {
		gone[i].Customer = d.Customer
	}
	return gone, nil
}

// Moves returns how often customers were linked, parted or erased: the position under metric.LinksPartition.
func (s *Metrics) Moves(ctx context.Context) (int64, error) { return moved(ctx, s.db, s.tenant) }

// changedSince returns the identities whose profile or rows changed after the positions; of the rows, all who bought on a day
// that changed.
func (s *Metrics) changedSince(ctx context.Context, position map[int]int64) ([]identity.Key, error) {
	set := map[identity.Key]bool{}
	fence, err := s.partitions(ctx)
	if err != nil {
		return nil, err
	}
	for _, part := range fence {
		after := bson.D{{Key: "tenant", Value: s.tenant}, {Key: "partition", Value: part}, {Key: "position", Value: op("$gt", position[part])}}
		for collection, fields := range map[string][]string{profilesCollection: {"customer"}, linksCollection: {"a", "b"}} {
			if err := s.keys(ctx, collection, after, set, fields...); err != nil {
				return nil, err
			}
		}
	}
	days, err := s.daysSince(ctx, position)
	if err == nil && len(days) > 0 {
		err = s.keys(ctx, rowsCollection, bson.D{{Key: "tenant", Value: s.tenant}, {Key: "day", Value: op("$in", days)}}, set, "customer")
	}
	return slices.Sorted(maps.Keys(set)), err
}

// partitions returns those of which anything was ingested.
func (s *Metrics) partitions(ctx context.Context) ([]int, error) {
	all, err := NewFences(s.db).All(ctx)
	if err != nil {
		return nil, err
	}
	var parts []int
	for _, f := range all {
		if !slices.Contains(parts, f.Partition) {
			parts = append(parts, f.Partition)
		}
	}
	return parts, nil
}

// keys adds the customers that some fields of the documents name.
func (s *Metrics) keys(ctx context.Context, collection string, filter bson.D, into map[identity.Key]bool, fields ...string) error {
	shown := bson.D{{Key: "_id", Value: 0}}
	for _, f := range fields {
		shown = append(shown, bson.E{Key: f, Value: 1})
	}
	cur, err := s.db.Collection(collection).Find(ctx, filter, options.Find().SetProjection(shown).SetBatchSize(summaryBatch))
	if err != nil {
		return fmt.Errorf("%s that changed: %w", collection, mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		for _, f := range fields {
			into[identity.Key(strings.Clone(cur.Current.Lookup(f).StringValue()))] = true
		}
	}
	return mongodb.Fault(cur.Err())
}

// daysSince returns the days of which facts arrived after the positions.
func (s *Metrics) daysSince(ctx context.Context, position map[int]int64) ([]contract.Day, error) {
	touched, err := NewWarehouse(s.db, "").Touched(ctx, s.tenant, "0000-01-01", "9999-12-31")
	if err != nil {
		return nil, err
	}
	var days []contract.Day
	for d, at := range touched {
		for part, pos := range at {
			if pos > position[part] {
				days = append(days, d)
				break
			}
		}
	}
	return days, nil
}

// person reads one person; members are all identities of one who has several. One who is in no collection any more has no
// attributes.
func (s *Metrics) person(ctx context.Context, who identity.Key, members []identity.Key) (attribute.Change, error) {
	if len(members) == 0 {
		members = []identity.Key{who}
	}
	var found []member
	for _, k := range members {
		m, err := s.member(ctx, k)
		if err != nil {
			return attribute.Change{}, err
		}
		if m.values != nil {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return attribute.Change{Customer: who}, nil
	}
	return change(who, found), nil
}

func (s *Metrics) member(ctx context.Context, k identity.Key) (member, error) {
	m := member{key: k}
	var ps []profileRead
	if err := all(ctx, s.db.Collection(profilesCollection), byID(id(s.tenant, string(k))), &ps); err != nil || len(ps) == 0 {
		return m, err
	}
	m.values = ps[0].Values
	var rows []dayDoc
	prefix := id(s.tenant, string(k)) + "|"
	err := all(ctx, s.db.Collection(rowsCollection), bson.D{{Key: "_id", Value: between(prefix, prefix+"~")}}, &rows, options.Find().SetProjection(rowFieldsRead))
	for _, r := range rows {
		m.bought.add(totals{r.Orders, 1, r.Revenue, r.Units, r.Day, r.Day})
	}
	return m, err
}
