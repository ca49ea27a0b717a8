// Package imports owns the imports of files: resumable runs over numbered rows, and the statement that accounts for every
// row of a file. The rows' effects belong to the gateway and to ingest; this package only keeps the account.
//
// A row has exactly one outcome, however often its request is repeated: what a block of rows was judged by is stored
// before the first of them is published, and ingest recognises a row that comes again.
package imports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// RunID names one import of one file.
type RunID string

// Run is one import.
type Run struct {
	Tenant     contract.TenantID
	ID         RunID
	Revision   int64
	Source     contract.SourceID
	FileName   string
	Digest     string            // SHA-256 of the file, 64 hex digits
	Mapping    map[string]string // column → where its value goes, as the client read the file; shown and compared, never interpreted
	Otherwise  *Reading          // the last finished run of the file, if it read the file otherwise
	Rows       *int64            // of the file, if the client knows
	Next       int64             // the row that is wanted next, from 1
	Pending    *Pending
	Read       Read
	Problems   []Problem // the first maxProblems
	Owners     []Owner
	StartedAt  time.Time
	FinishedAt *time.Time
	Barrier    source.Position // ends of the log at the finish
}

// Reading is how a run read its file.
type Reading struct {
	Run     RunID
	Mapping map[string]string
}

// otherwise reports whether a mapping reads the file otherwise than the run does, as far as both say how they do.
func (r *Run) otherwise(mapping map[string]string) bool {
	return len(r.Mapping) > 0 && len(mapping) > 0 && !maps.Equal(r.Mapping, mapping)
}

// Differ notes an earlier finished run of the file where it read the file otherwise.
func (r *Run) Differ(earlier *Run) {
	if earlier.otherwise(r.Mapping) {
		r.Otherwise = &Reading{earlier.ID, earlier.Mapping}
	}
}

// differences says what two mappings read differently, by name.
func differences(was, is map[string]string) string {
	var names, all []string
	for n := range was {
		names = append(names, n)
	}
	for n := range is {
		if _, ok := was[n]; !ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	said := func(m map[string]string, n string) string {
		if v, ok := m[n]; ok {
			return strconv.Quote(v)
		}
		return "nothing"
	}
	for _, n := range names {
		if a, b := said(was, n), said(is, n); a != b {
			all = append(all, fmt.Sprintf("%s is %s there and %s now", n, a, b))
		}
	}
	return strings.Join(all, "; ")
}

// Read counts rows by the gateway's verdict.
type Read struct {
	Published    int64
	Quarantined  int64
	NotRequested int64
	Invalid      int64
	Suppressed   int64 // of those that would have been set aside; ingest counts the others
}

// Pending is what rows First to Last are judged by, from before any of them was published until they are answered.
type Pending struct {
	First, Last int64
	Received    time.Time
	Wanted      []collect.Wanted
}

// Problem is one row that was not accepted.
type Problem struct {
	Row    int64
	Status fault.Code
	Code   fault.Code
	Detail string
}

// Owner says who answers for a parameter that the file brings.
type Owner struct {
	Parameter      contract.ParameterName
	Owner, Steward string
}

// Answer summarises what became of the rows of one request.
type Answer struct {
	FirstRow, LastRow int64
	Counts            map[fault.Code]int64 // by status
	Problems          []Problem            // the first maxProblems rows that were neither accepted nor duplicate
	Next              int64                // the row that is wanted next
}

const (
	maxProblems  = 100
	prefixDigits = 16
)

// add notes what became of a block of rows.
func (r *Run) add(first int64, verdicts []collect.Verdict, answers []collect.Answer) Answer {
	a := Answer{FirstRow: first, LastRow: first + int64(len(verdicts)) - 1, Counts: map[fault.Code]int64{}}
	for i := range verdicts {
		a.Counts[answers[i].Status]++
		switch verdicts[i].Status {
		case fault.Accepted:
			r.Read.Published++
		case fault.Quarantined:
			r.Read.Quarantined++
		case fault.NotRequested:
			r.Read.NotRequested++
		case fault.Suppressed:
			r.Read.Suppressed++
		default:
			r.Read.Invalid++
		}
		s := answers[i].Status
		if s != fault.Accepted && s != fault.Duplicate && len(a.Problems) < maxProblems {
			a.Problems = append(a.Problems, Problem{Row: first + int64(i), Status: s, Code: answers[i].Code, Detail: answers[i].Detail})
		}
	}
	r.Problems = append(r.Problems, a.Problems[:min(len(a.Problems), maxProblems-len(r.Problems))]...)
	r.Next = a.LastRow + 1
	a.Next = r.Next
	return a
}

// owned notes who answers for the parameters of rows.
func (r *Run) owned(wanted []collect.Wanted) {
	for _, w := range wanted {
		for _, p := range w.Parameters {
			if !slices.ContainsFunc(r.Owners, func(o Owner) bool { return o.Parameter == p.Name }) {
				r.Owners = append(r.Owners, Owner{Parameter: p.Name, Owner: p.Owner, Steward: p.Steward})
			}
		}
	}
	slices.SortFunc(r.Owners, func(a, b Owner) int { return cmp.Compare(a.Parameter, b.Parameter) })
}

// Outcomes are what ingest made of a run's rows.
type Outcomes struct {
	Stored      int64
	Duplicate   int64
	Quarantined int64
	Suppressed  int64
	NotInForce  int64
	Amount      int64 // sum over stored orders, minor units
	Zero        int64 // stored orders of amount 0
	Identical   int64 // stored orders that repeat another of their customer and day
}

func (o Outcomes) rows() int64 {
	return o.Stored + o.Duplicate + o.Quarantined + o.Suppressed + o.NotInForce
}

// Statement accounts for every row of a run. Once CaughtUp, RowsRead is the sum of the seven counts and Lost; before
// that Waiting says how many rows ingest has yet to take.
type Statement struct {
	Run
	RowsRead     int64
	Stored       int64
	Duplicate    int64
	Quarantined  int64
	NotRequested int64
	Invalid      int64
	Suppressed   int64
	NotInForce   int64
	Waiting      int64
	Lost         int64 // published, and gone from the log before ingest read them, or so unreadable there that nobody knows whose they were
	CaughtUp     bool
	Amount       int64
	ZeroAmount   int64
	Identical    int64
}

// statement draws up the account: passed says that ingest has passed everything that the finished run published.
func (r *Run) statement(o Outcomes, passed bool) Statement {
	s := Statement{Run: *r, RowsRead: r.Next - 1, Stored: o.Stored, Duplicate: o.Duplicate, Quarantined: r.Read.Quarantined + o.Quarantined,
		NotRequested: r.Read.NotRequested, Invalid: r.Read.Invalid, Suppressed: r.Read.Suppressed + o.Suppressed, NotInForce: o.NotInForce,
		Amount: o.Amount, ZeroAmount: o.Zero, Identical: o.Identical}
	s.Waiting = max(0, r.Read.Published-o.rows()) // rows of a request that is not yet answered may be there already
	if passed {
		s.Lost, s.Waiting = s.Waiting, 0
	}
	s.CaughtUp = s.Waiting == 0 && r.Pending == nil
	return s
}
