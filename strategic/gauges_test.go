package strategic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/governance"
)

// TestWhoOwesAnAnswerIsCounted reads what operators watch: governance counts as any other directive does, and `received` is no
// answer.
func TestWhoOwesAnAnswerIsCounted(t *testing.T) {
	t.Parallel()
	s := start(t)
	eva := s.token("eva", signin.Executive)
	owed := func(when string, n int) {
		t.Helper()
		var text string
		defer func() {
			if t.Failed() {
				t.Log(text)
			}
		}()
		s.until(fmt.Sprintf("%d answers are owed %s", n, when), func() bool {
			text = "\n" + string(s.call(eva, "GET", "/metrics", nil).want(200).body)
			return strings.Contains(text, fmt.Sprintf("\nstrata_directives_unanswered %d\n", n)) && strings.Contains(text, "\nstrata_ready{check=\"mongodb\"} 1\n")
		})
	}
	owed("at first", 0)
	s.govern()
	owed("for the rules", 1)
	d := s.order(proposal())
	owed("for a directive, too", 2)
	s.ack(d.ID, d.Order.Revision, contract.Received)
	s.await(d.ID, d.State)
	owed("as long as it was only received", 2)
	var rules governance.Record
	s.call(eva, "GET", "governance", nil).want(200).into(&rules)
	s.ack(governance.ID, rules.Versions[0].Order.Revision, contract.Accepted)
	owed("once the rules are in force", 1)
	s.ack(d.ID, d.Order.Revision, contract.Refused)
	owed("once it is refused", 0)
}
