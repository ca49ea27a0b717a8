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

// shownProblems are as many rows that were not let in as a statement lists.
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
			Say(out, "  Suspect: ", fmt.Sprintf("%s %s; they are kept, look at them", wording.Count(s.Suspects[k]), suspect(k)))
		}
	}
	problems(out, s)
	owners(out, s)
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

// suspect is an oddity that a statement counts, in words.
func suspect(code string) string {
	switch code {
	case "zero_amount":
		return "orders of zero amount"
	case "identical_rows":
		return "rows identical to an earlier one"
	}
	return "rows with " + Plain(code)
}

// problems lists the first rows that are wrong. Rows that nobody asked for are not.
func problems(out io.Writer, s client.Statement) {
	shown := int64(0)
	for _, p := range s.Problems {
		if p.Status == "not_requested" || shown == shownProblems {
			continue
		}
		shown++
		Say(out, fmt.Sprintf("  Row %d: ", p.Row), strings.TrimSuffix(Plain(p.Status)+": "+p.Detail, ": "))
	}
	if more := s.Invalid + s.Quarantined - shown; more > 0 {
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
