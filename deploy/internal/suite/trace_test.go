package suite_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/suite"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
)

// One trace goes from the request that issues a directive down through every layer and back up: each hop is a descendant
// of the one before. What is measured for the directive has traces of its own, which go up to the strategic layer as well
// and lead back to the directive's by a link.
func TestOneTraceGoesDownAndUpAndMeasurementsLinkToIt(t *testing.T) {
	p := traced(t)
	issued := p.issue()
	hops := []hop{
		{"strategic", "POST /api/strategic/v1/directives/:directive/issue"}, {"functional", "process " + contract.TopicStrategicDirectives},
		{"operational", "process " + contract.TopicFunctionalDirectives}, {"functional", "process " + contract.TopicOperationalAcks},
		{"strategic", "process " + contract.TopicFunctionalAcks},
	}
	if !eventuallyTrue(t, func() bool { return connected(p.spans.GetSpans(), issued, hops) }) {
		t.Fatalf("trace %s does not connect the hops %v; it has:\n%s", issued, hops, listed(p.spans.GetSpans(), issued))
	}
	p.collect()
	hops = []hop{
		{"operational", "operational.measure"}, {"functional", "process " + contract.TopicMeasurements}, {"strategic", "process " + contract.TopicInformation},
	}
	arrived := func() bool {
		return slices.ContainsFunc(measures(p.spans.GetSpans()), func(s tracetest.SpanStub) bool {
			return connected(p.spans.GetSpans(), s.SpanContext.TraceID().String(), hops)
		})
	}
	if !eventuallyTrue(t, arrived) {
		t.Errorf("no measurement's trace connects the hops %v", hops)
	}
	received := idsOf(p.spans.GetSpans(), issued, hop{"operational", "process " + contract.TopicFunctionalDirectives})
	for _, s := range measures(p.spans.GetSpans()) {
		if s.Parent.IsValid() || s.SpanContext.TraceID().String() == issued {
			t.Errorf("%s is under %s of trace %s, want a root with a trace of its own", s.Name, s.Parent.SpanID(), s.SpanContext.TraceID())
		}
		if len(s.Links) != 1 || s.Links[0].SpanContext.TraceID().String() != issued || !slices.Contains(received, s.Links[0].SpanContext.SpanID()) {
			t.Errorf("%s links to %v, want to where the directive of trace %s was received", s.Name, s.Links, issued)
		}
	}
}

// part is a suite whose spans are kept, and who acts on it.
type part struct {
	t              *testing.T
	spans          *tracetest.InMemoryExporter
	eva, max, stew *client.Client
}

// traced starts a suite, with governance in force and a source registered.
func traced(t *testing.T) *part {
	t.Helper()
	p := &part{t: t, spans: tracetest.NewInMemoryExporter()}
	url, issuer := runs(t, suite.Options{Dir: t.TempDir(), Layers: suite.Layers(), Log: io.Discard, Exporter: p.spans, Now: time.Now})
	as := func(subject string, r signin.Role) *client.Client {
		token, err := issuer(subject, r)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.New(url, token)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	p.eva, p.max, p.stew = as("executive-1", signin.Executive), as("executive-2", signin.Executive), as("steward-1", signin.Steward)
	await(t, func() bool { v, err := p.eva.Governance(t.Context()); return err == nil && len(v) > 0 })
	for _, who := range []*client.Client{p.eva, p.max} {
		if err := who.ApproveGovernance(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool {
		v, err := p.eva.Governance(t.Context())
		return err == nil && v[0].Answer != nil && v[0].Answer.State == contract.Accepted
	})
	if _, err := p.stew.Register(t.Context(), client.Source{ID: "order-file", Name: "orders", Owner: "head of sales", Steward: "order data steward", Format: "file",
		Trust: "verified", Offers: []string{"customer_id", "order_time", "order_amount", "order_items"}}); err != nil {
		t.Fatal(err)
	}
	return p
}

// issue has a directive issued for a goal and returns the trace of the request.
func (p *part) issue() string {
	p.t.Helper()
	ctx, more := p.t.Context(), .1
	g, err := p.eva.SetGoal(ctx, client.GoalDraft{Name: "Keep more", Variable: contract.Retention, Metric: "month_on_month_retention", Kind: contract.Level,
		Direction: contract.Up, Unit: contract.Ratio, Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Relative: &more},
		Deadline: "1998-06-30", Owner: "head of retention", Relevance: "a test needs it"})
	if err != nil {
		p.t.Fatal(err)
	}
	d, err := p.eva.DraftDirective(ctx, g.ID, contract.NormalImpact)
	for _, step := range []string{"propose", "approvals", "issue"} {
		if err != nil {
			p.t.Fatal(err)
		}
		d, err = p.eva.Act(ctx, d.ID, step)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return d.History[len(d.History)-1].Trace
}

// collect imports orders of a few months and declares them complete.
func (p *part) collect() {
	p.t.Helper()
	text := "customer_id,date,items,amount\n"
	for month := 1; month <= 3; month++ {
		for customer := range 40 / month {
			text += fmt.Sprintf("c%02d,1997-%02d-10,1,10.00\n", customer, month)
		}
	}
	f, err := orderfile.Read("orders.csv", []byte(text), orderfile.Mapping{Customer: "customer_id", Date: "date", Items: "items", Amount: "amount"})
	if err != nil {
		p.t.Fatal(err)
	}
	run, err := upload.File(p.t.Context(), p.stew, "order-file", f, func(int64, int64) {})
	if err == nil {
		_, err = upload.Settled(p.t.Context(), p.stew, run.Run)
	}
	if err == nil {
		_, err = p.stew.Complete(p.t.Context(), "order-file", "1997-04-01T00:00:00Z")
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// measures returns the spans that began measurements.
func measures(all tracetest.SpanStubs) (some tracetest.SpanStubs) {
	for _, s := range all {
		if s.Name == "operational.measure" {
			some = append(some, s)
		}
	}
	return some
}

// idsOf returns the spans of a trace that are the hop.
func idsOf(all tracetest.SpanStubs, of string, h hop) (ids []trace.SpanID) {
	for _, s := range all {
		if s.SpanContext.TraceID().String() == of && s.Name == h.name && serviceOf(s) == h.service {
			ids = append(ids, s.SpanContext.SpanID())
		}
	}
	return ids
}

// hop is a span by service and name.
type hop struct{ service, name string }

// connected reports whether the trace has a chain of spans, each hop a descendant of the one before.
func connected(all tracetest.SpanStubs, id string, hops []hop) bool {
	parents := map[trace.SpanID]trace.SpanID{}
	for _, s := range all {
		parents[s.SpanContext.SpanID()] = s.Parent.SpanID()
	}
	within := func(s, ancestor trace.SpanID) bool {
		for ; s.IsValid(); s = parents[s] {
			if s == ancestor {
				return true
			}
		}
		return false
	}
	var before []trace.SpanID
	for i, h := range hops {
		var here []trace.SpanID
		for _, s := range all {
			if s.SpanContext.TraceID().String() != id || s.Name != h.name || serviceOf(s) != h.service {
				continue
			}
			if i == 0 || slices.ContainsFunc(before, func(b trace.SpanID) bool { return within(s.SpanContext.SpanID(), b) }) {
				here = append(here, s.SpanContext.SpanID())
			}
		}
		if len(here) == 0 {
			return false
		}
		before = here
	}
	return true
}

func serviceOf(s tracetest.SpanStub) string {
	v, _ := s.Resource.Set().Value(attribute.Key("service.name"))
	return v.AsString()
}

func listed(all tracetest.SpanStubs, id string) string {
	var b strings.Builder
	for _, s := range all {
		if s.SpanContext.TraceID().String() == id {
			b.WriteString("  " + serviceOf(s) + ": " + s.Name + " " + s.SpanContext.SpanID().String() + " under " + s.Parent.SpanID().String() + "\n")
		}
	}
	return b.String()
}

// runs starts a suite for the test and returns its address and how tokens are made.
func runs(t *testing.T, o suite.Options) (string, func(string, signin.Role) (string, error)) {
	t.Helper()
	s, err := suite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	urls, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, "127.0.0.1:0", func(url string) { urls <- url }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	within, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.AwaitReady(within); err != nil {
		t.Fatal(err)
	}
	return <-urls, func(subject string, r signin.Role) (string, error) {
		return s.Issuer().Token(subject, []signin.Role{r}, time.Hour)
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	if !eventuallyTrue(t, done) {
		t.Fatal("it did not come within two minutes")
	}
}

func eventuallyTrue(t *testing.T, done func() bool) bool {
	t.Helper()
	limit := time.After(2 * time.Minute)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if done() {
			return true
		}
		select {
		case <-limit:
			return false
		case <-ticker.C:
		}
	}
}
