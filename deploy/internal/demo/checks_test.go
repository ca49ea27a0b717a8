package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
)

func telling(terminal bool) (*story, *bytes.Buffer) {
	var out bytes.Buffer
	return &story{teller: &teller{out: &out, begun: time.Now(), now: time.Now, bar: terminal}}, &out
}

// What is expected of a goal that is not pursued, or is pursued on another metric, is not passed over.
func TestAGoalThatIsExpectedAndNotPursuedIsWrong(t *testing.T) {
	t.Parallel()
	s, _ := telling(false)
	s.pursued = []*pursuit{{goal: goal{name: "G1", draft: client.GoalDraft{Metric: "repeat_rate"}}}}
	e := oracle.Expectation{Goals: []oracle.Course{{Name: "G1", Metric: "retention_90d"}, {Name: "G9", Metric: "repeat_rate"}}}
	if err := s.courses(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if s.failed != 2 || !strings.HasPrefix(s.wrong[0], "G1 on retention_90d is expected") || !strings.HasPrefix(s.wrong[1], "G9 on") {
		t.Errorf("%d failed: %q", s.failed, s.wrong)
	}
}

// A hop without its trace, and a directive without the decision of a layer, do not come true.
func TestEveryHopHasItsTraceAndEveryLayerItsDecision(t *testing.T) {
	t.Parallel()
	steps := func() []client.Step {
		d := func(rule string) *contract.Decision { return &contract.Decision{ID: "d", Rule: rule} }
		return []client.Step{
			{Layer: contract.Strategic, State: "approved", Decision: d("strategic.approve"), Trace: "t"}, {Layer: contract.Strategic, State: "issued", Decision: d("strategic.issue"), Trace: "t"},
			{Layer: contract.Functional, State: "received", Decision: d("functional.plan"), Trace: "t"},
			{Layer: contract.Operational, State: "executing", Decision: d("operational.directive"), Trace: "t"}, {Layer: contract.Operational, State: "executing", Decision: d("operational.directive"), Trace: "t"},
		}
	}
	for i := range steps() {
		for what, less := range map[string]func(*client.Step){"trace": func(h *client.Step) { h.Trace = "" }, "decisions": func(h *client.Step) { h.Decision = nil }, "": func(*client.Step) {}} {
			s, _ := telling(false)
			all := steps()
			less(&all[i])
			s.proven("G1", all)
			if noticed := len(s.wrong) == 1 && strings.Contains(s.wrong[0], what); s.steps != 2 || noticed != (what == "trace" || what == "decisions" && i > 0) {
				t.Errorf("without %q of step %d: %q", what, i, s.wrong)
			}
		}
	}
}

// On a terminal a bar shows how many of the rows were sent; elsewhere nothing moves.
func TestABarMovesOnATerminal(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{true, false} {
		s, out := telling(terminal)
		told, end := s.progress("2025-03", 400)
		told(100, 400)
		half := out.String()
		told(400, 400)
		end()
		if terminal && (!strings.Contains(half, "2025-03") || !strings.Contains(half, "25%") || !strings.Contains(half, "(100/400)")) || !terminal && out.Len() > 0 {
			t.Errorf("terminal %t: %q, then %q", terminal, half, out.String())
		}
	}
}
