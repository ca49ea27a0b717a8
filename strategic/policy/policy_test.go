package policy

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/policy/policytest"
)

func TestRules(t *testing.T) { policytest.Run(t, Files, "strategic") }

func TestCanaries(t *testing.T) {
	t.Parallel()
	_, err := policy.New(context.Background(), policy.Options{
		Layer: "strategic", Files: Files, Inputs: Inputs(), Canaries: Canaries(), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Record: func(context.Context, policy.Record) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRulesFailClosed(t *testing.T) {
	t.Parallel()
	policytest.Closed(t, policytest.Layer{Name: "strategic", Files: Files, Inputs: Inputs(), Canaries: Canaries()})
}
