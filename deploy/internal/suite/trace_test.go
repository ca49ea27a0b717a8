package suite_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/suite"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
)

// One trace goes from the request that issues a directive down through every layer and back up: each hop is a descendant
// of the one before.
func TestOneTraceGoesDownAndUp(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	url, issuer := runs(t, suite.Options{Dir: t.TempDir(), Layers: suite.Layers(), Log: io.Discard, Exporter: spans, Now: time.Now})
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
	eva, max := as("executive-1", signin.Executive), as("executive-2", signin.Executive)
	await(t, func() bool { v, err := eva.Governance(t.Context()); return err == nil && len(v) > 0 })
	for _, who := range []*client.Client{eva, max} {
		if err := who.ApproveGovernance(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool {
		v, err := eva.Governance(t.Context())
		return err == nil && v[0].Answer != nil && v[0].Answer.State == contract.Accepted
	})
	more := 10.0
	g, err := eva.SetGoal(t.Context(), client.GoalDraft{Name: "NPS", Variable: contract.Satisfaction, Metric: "nps_month", Kind: contract.Level, Direction: contract.Up,
		Unit: contract.Points, Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Delta: &more}, Deadline: "1998-06-30",
		Owner: "head of service", Relevance: "a test needs it"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := eva.DraftDirective(t.Context(), g.ID, contract.NormalImpact)
	for _, step := range []string{"propose", "approvals", "issue"} {
		if err != nil {
			t.Fatal(err)
		}
		d, err = eva.Act(t.Context(), d.ID, step)
	}
	if err != nil {
		t.Fatal(err)
	}
	issued := d.History[len(d.History)-1].Trace
	hops := []hop{
		{"strategic", "POST /api/strategic/v1/directives/:directive/issue"}, {"functional", "process " + contract.TopicStrategicDirectives},
		{"operational", "process " + contract.TopicFunctionalDirectives}, {"functional", "process " + contract.TopicOperationalAcks},
		{"strategic", "process " + contract.TopicFunctionalAcks},
	}
	if !eventuallyTrue(t, func() bool { return connected(spans.GetSpans(), issued, hops) }) {
		t.Errorf("trace %s does not connect the hops %v; it has:\n%s", issued, hops, listed(spans.GetSpans(), issued))
	}
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
