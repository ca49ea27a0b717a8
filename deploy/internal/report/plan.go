package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// Plan prints in a few lines by what a directive will be answered.
func Plan(out io.Writer, p *contract.PlanSummary) {
	var metrics, parameters []string
	for _, m := range p.Metrics {
		metrics = append(metrics, string(m.ID))
	}
	for _, q := range p.Parameters {
		if !slices.Contains(parameters, string(q.Name)) { // several parts collect it
			parameters = append(parameters, string(q.Name))
		}
	}
	Say(out, "  Plan:       ", "playbook "+Plain(p.Playbook)+needs(p.Customers))
	Say(out, "  Metrics:    ", strings.Join(metrics, ", "))
	Say(out, "  Parameters: ", strings.Join(parameters, ", "))
	Missing(out, "  Missing:    ", p)
}

func needs(customers int) string {
	if customers == 0 {
		return ""
	}
	return "; its tolerance needs " + wording.Count(int64(customers)) + " customers in one window"
}

// Missing prints what a plan lacks, and what would fix it.
func Missing(out io.Writer, lead string, p *contract.PlanSummary) {
	for _, m := range p.Missing {
		optional := ""
		if m.Reason.Optional {
			optional = " (optional)"
		}
		Say(out, lead, strings.TrimSpace(Sentence(wording.Reason(m.Reason)+optional)+" "+Sentence(wording.Fix(m.Reason, m.Remedy))))
	}
}

// Numbers prints the newest value of each metric, with what it is, its window and its n.
func Numbers(out io.Writer, t client.Trail) {
	for _, l := range t.Latest {
		label := l.Label
		if label == "" {
			label = Plain(string(l.Metric))
		}
		Say(out, "    ", label+": "+Point(&l.Point, wording.Unit{Unit: l.Unit, Currency: l.Currency})+" ("+Window(l.Point.Window)+")")
		Say(out, "        ", fmt.Sprintf("%s %s. %s", l.Metric, l.Version, definition(t.Plan, l.Metric)))
	}
}

// definition says what a metric is, and who answers for that.
func definition(p *contract.PlanSummary, id contract.MetricID) string {
	if p == nil {
		return ""
	}
	for _, m := range p.Metrics {
		if m.ID == id {
			return m.Description + " Owner of the definition: " + m.Owner + "."
		}
	}
	return ""
}

// Collected prints what a plan collects, each parameter once, for how many customers it is there, and who answers for it.
func Collected(out io.Writer, p *contract.PlanSummary) {
	told := map[contract.ParameterName]bool{}
	for _, c := range p.Parameters {
		if told[c.Name] {
			continue
		}
		told[c.Name] = true
		covered := "coverage not measured"
		if c.Coverage != nil {
			covered = "there for " + wording.Percent(*c.Coverage)
		}
		Say(out, fmt.Sprintf("    collects %-16s ", c.Name), fmt.Sprintf("%s, for %s; %s; owner: %s; steward: %s",
			c.DataType, Plain(string(c.Purpose)), covered, c.Owner, c.Steward))
	}
}
