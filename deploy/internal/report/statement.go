package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// shownProblems are as many reasons why rows were not let in as a statement lists.
const shownProblems = 10

// Statement prints what became of an import's rows.
func Statement(out io.Writer, s client.Statement) {
	account(out, s)
	if !s.CaughtUp {
		Say(out, "  ", fmt.Sprintf("Ingest has not caught up: %s rows wait.", wording.Count(s.Waiting)))
	}
	if s.NotRequested > 0 {
		Say(out, "  ", "What is not requested was not kept: no directive in force asks for it. Order one, then import the file again.")
	}
	Say(out, "  ", "Total: "+wording.Unit{Unit: contract.Money, Currency: s.Totals.Currency}.Value(float64(s.Totals.AmountMinor)))
	for _, k := range slices.Sorted(maps.Keys(s.Suspects)) {
		if s.Suspects[k] > 0 {
			Say(out, "  Suspect: ", suspects(k, s.Suspects[k]))
		}
	}
	otherwise(out, s)
	problems(out, s)
	owners(out, s)
}

// otherwise says what it means that the same file was imported before under another mapping.
func otherwise(out io.Writer, s client.Statement) {
	if s.ReadOtherwise == nil {
		return
	}
	was, is := s.ReadOtherwise.Mapping, s.Mapping
	names := slices.Collect(maps.Keys(was))
	for n := range is {
		if _, ok := was[n]; !ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var differ []string
	for _, n := range names {
		if was[n] != is[n] {
			differ = append(differ, fmt.Sprintf("%s was %q and is %q", n, was[n], is[n]))
		}
	}
	Say(out, "  ", "This file was imported before, by "+s.ReadOtherwise.Run+", and read otherwise: "+strings.Join(differ, "; ")+
		". A row that has the id of one of then with other content is set aside as id_conflict: what was stored first stays. "+
		"To have it read anew, see \"A file that was read wrongly\" in docs/operations.md.")
}

// account prints the equation of rows. What is zero in almost every import is left out where it is.
func account(out io.Writer, s client.Statement) {
	equals := " = "
	if s.RowsRead != s.Accounted() {
		equals = " ≠ "
	}
	sum := []string{
		wording.Count(s.Stored) + " stored", wording.Count(s.Duplicate) + " duplicate", wording.Count(s.Quarantined) + " quarantined",
		wording.Count(s.NotRequested) + " not requested", wording.Count(s.Invalid) + " invalid", wording.Count(s.Suppressed) + " suppressed",
	}
	if s.NotInForce != 0 {
		sum = append(sum, wording.Count(s.NotInForce)+" not in force")
	}
	if s.Lost != 0 {
		sum = append(sum, wording.Count(s.Lost)+" lost")
	}
	Say(out, "  "+wording.Count(s.RowsRead)+" rows read"+equals, strings.Join(sum, " + "))
}

// suspects says how many rows have an oddity that a statement counts.
func suspects(code string, n int64) string {
	one, many := "row with "+Plain(code), "rows with "+Plain(code)
	switch code {
	case "zero_amount":
		one, many = "order of zero amount", "orders of zero amount"
	case "identical_rows":
		one, many = "row identical to an earlier one", "rows identical to an earlier one"
	}
	if n == 1 {
		return "1 " + one + "; it is kept, look at it"
	}
	return fmt.Sprintf("%s %s; they are kept, look at them", wording.Count(n), many)
}

// problems lists what is wrong with rows, each reason once, with the first row that has it. Rows that nobody asked for are
// not wrong.
func problems(out io.Writer, s client.Statement) {
	told, order := map[string][]int64{}, []string(nil)
	listed := int64(0)
	for _, p := range s.Problems {
		if p.Status == "not_requested" {
			continue
		}
		text := strings.TrimSuffix(Plain(p.Status)+": "+p.Detail, ": ")
		if told[text] == nil {
			if len(order) == shownProblems {
				continue
			}
			order = append(order, text)
		}
		told[text] = append(told[text], p.Row)
		listed++
	}
	for _, text := range order {
		rows, more := told[text], ""
		if n := len(rows); n > 1 {
			more = fmt.Sprintf(" (so are %s more of the rows listed)", wording.Count(int64(n-1)))
			if n == 2 {
				more = fmt.Sprintf(" (so is row %d)", rows[1])
			}
		}
		Say(out, fmt.Sprintf("  Row %d: ", rows[0]), text+more)
	}
	if more := s.Invalid + s.Quarantined - listed; more > 0 {
		Say(out, "  ", fmt.Sprintf("… and %s more that are invalid or quarantined", wording.Count(more)))
	}
}

func owners(out io.Writer, s client.Statement) {
	width := 0
	for _, o := range s.Owners {
		width = max(width, len(o.Parameter))
	}
	for _, o := range s.Owners {
		Say(out, fmt.Sprintf("  %-*s  ", width, o.Parameter), fmt.Sprintf("owner: %s; steward: %s", o.Owner, o.Steward))
	}
}
