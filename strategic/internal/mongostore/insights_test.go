package mongostore

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// learn stores a record of an insight in a state.
func learn(t *testing.T, s *Stores, id contract.InsightID, g contract.GoalID, change func(*knowledge.Record)) {
	t.Helper()
	err := s.Learn(t.Context(), id, g, func(r *knowledge.Record, _ *directive.Record) error {
		r.Insight = contract.Insight{ID: id, Goal: g, Revision: 1, Metric: "m"}
		change(r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ids(rs []knowledge.Record) []contract.InsightID {
	var out []contract.InsightID
	for _, r := range rs {
		out = append(out, r.Insight.ID)
	}
	return out
}

func TestAnInsightAndItsGoalAreStoredTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "g")
	failing := errors.New("no")
	both := func(fails error) error {
		return s.Learn(t.Context(), "in", "g", func(r *knowledge.Record, g *directive.Record) error {
			r.Insight, r.State = contract.Insight{ID: "in", Goal: "g", Revision: 1, Metric: "m"}, knowledge.Candidate
			g.Insight = &r.Insight
			return fails
		})
	}
	if err := both(failing); !errors.Is(err, failing) {
		t.Fatal(err)
	}
	if _, err := s.Insight(t.Context(), "in"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
	before, _ := s.Record(t.Context(), "g")
	for range 2 { // the second changes nothing
		if err := both(nil); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Insight(t.Context(), "in")
	if err != nil || r.Version != 1 || r.At.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	after, _ := s.Record(t.Context(), "g")
	if after.Version != before.Version+1 || after.Insight == nil || after.Insight.ID != "in" {
		t.Errorf("%+v", after)
	}
}

// Two revisions are learnt at once. Snapshot isolation alone would let both find the record as it was; its version makes one
// of them run again, and policy is asked anew.
func TestTwoRevisionsMeetInTheRecord(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "g")
	var both, done sync.WaitGroup
	both.Add(2)
	for revision := range int64(2) {
		done.Go(func() {
			var once sync.Once
			change := func(r *knowledge.Record, _ *directive.Record) error {
				once.Do(func() { both.Done(); both.Wait() }) // the first runs of both have read before either writes
				i := contract.Insight{ID: "in", Goal: "g", Revision: revision + 1, Metric: "m"}
				if r.Newer(&i) {
					r.Hear(i, time.Now())
				}
				return nil
			}
			err := s.Learn(t.Context(), "in", "g", change)
			for fault.Is(err, fault.Transient) || fault.Is(err, fault.Conflict) {
				err = s.Learn(t.Context(), "in", "g", change)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if r, err := s.Insight(t.Context(), "in"); err != nil || r.Insight.Revision != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestInsightsAreFound(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "g")
	create(t, s, "h")
	now := time.Now().UTC().Truncate(time.Millisecond)
	learn(t, s, "a", "g", func(r *knowledge.Record) {
		r.State, r.Asked, r.Accepted, r.Expires = knowledge.Known, "b1", &knowledge.Evidence{N: 400}, &now
	})
	learn(t, s, "b", "g", func(r *knowledge.Record) { r.State, r.Asked = knowledge.Candidate, "b1" })
	learn(t, s, "c", "h", func(r *knowledge.Record) {
		r.State, r.Asked, r.Accepted = knowledge.TakenBack, "b0", &knowledge.Evidence{N: 400}
	})
	for name, c := range map[string]struct {
		q    knowledge.Query
		want []contract.InsightID
	}{
		"all":              {knowledge.Query{}, []contract.InsightID{"a", "b", "c"}},
		"of a goal":        {knowledge.Query{Goal: "g"}, []contract.InsightID{"a", "b"}},
		"in a state":       {knowledge.Query{State: knowledge.TakenBack}, []contract.InsightID{"c"}},
		"was knowledge":    {knowledge.Query{Accepted: true}, []contract.InsightID{"a", "c"}},
		"the second page":  {knowledge.Query{After: "a", Limit: 1}, []contract.InsightID{"b"}},
		"nothing left":     {knowledge.Query{After: "c"}, nil},
		"of another state": {knowledge.Query{Goal: "h", State: knowledge.Known}, nil},
	} {
		rs, err := s.Insights(t.Context(), c.q)
		if err != nil || !slices.Equal(ids(rs), c.want) {
			t.Errorf("%s: %v, %v", name, ids(rs), err)
		}
	}
	for name, c := range map[string]struct {
		at     time.Time
		bundle string
		want   []contract.InsightID
	}{
		"expired, or of another bundle": {now, "b1", []contract.InsightID{"a", "c"}},
		"of another bundle":             {now.Add(-time.Millisecond), "b1", []contract.InsightID{"c"}},
		"all are":                       {now.Add(-time.Millisecond), "b2", []contract.InsightID{"a", "b", "c"}},
	} {
		rs, err := s.Stale(t.Context(), c.at, c.bundle)
		if err != nil || !slices.Equal(ids(rs), c.want) {
			t.Errorf("%s: %v, %v", name, ids(rs), err)
		}
	}
	if rs, err := s.InsightsSince(t.Context(), now.Add(-time.Minute)); err != nil || len(rs) != 3 {
		t.Errorf("%v, %v", ids(rs), err)
	}
}
