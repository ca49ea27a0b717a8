package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

type personCommand struct {
	Show  personShowCommand  `cmd:"" help:"Print everything that is held of one person, as JSON, for the person themselves."`
	Erase personEraseCommand `cmd:"" help:"Delete everything of one person, for good, and store nothing of them from now on."`
	Proof personProofCommand `cmd:"" help:"Show how far an erasure has come, and once it is done the proof of it."`
}

// somebody is who is meant.
type somebody struct {
	Identifier string `arg:"" help:"One of the person's identifiers: a user id, or with --anonymous an anonymous one. All that are linked with it are meant, too."`
	Anonymous  bool   `help:"The identifier is an anonymous one, such as a browser's."`
}

func (p somebody) named() map[string]string {
	kind := "user"
	if p.Anonymous {
		kind = "anonymous"
	}
	return map[string]string{"kind": kind, "identifier": p.Identifier}
}

type personShowCommand struct {
	remote
	somebody
}

// Run prints what is held.
func (c *personShowCommand) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Steward)
	if err != nil {
		return err
	}
	var held any
	if err := cl.Post(ctx, "/api/operational/v1/persons/disclosure", c.named(), &held); err != nil {
		return err
	}
	e := json.NewEncoder(t.out)
	e.SetIndent("", "  ")
	return e.Encode(held)
}

type personEraseCommand struct {
	remote
	somebody
	Yes bool `help:"Yes, delete it: it cannot be taken back."`
}

// Run asks for the erasure, and prints the receipt.
func (c *personEraseCommand) Run(ctx context.Context, t terminal) error {
	if !c.Yes {
		return fault.New(fault.Invalid, fault.BadRequest, "what is deleted does not come back: look at it with strata person show, then say --yes")
	}
	cl, err := c.client(t, signin.Steward)
	if err != nil {
		return err
	}
	var e erasure
	if err := cl.Post(ctx, "/api/operational/v1/erasures", c.named(), &e); err != nil {
		return err
	}
	e.print(t)
	return nil
}

type personProofCommand struct {
	remote
	Receipt string `arg:"" help:"The receipt's number."`
}

// Run prints the proof.
func (c *personProofCommand) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Steward)
	if err != nil {
		return err
	}
	var e erasure
	if err := cl.Get(ctx, "/api/operational/v1/erasures/"+url.PathEscape(c.Receipt), &e); err != nil {
		return err
	}
	e.print(t)
	return nil
}

// erasure is the operational service's answer.
type erasure struct {
	ID          string           `json:"id"`
	State       string           `json:"state"`
	RequestedAt time.Time        `json:"requestedAt"`
	RequestedBy string           `json:"requestedBy"`
	FinishedAt  time.Time        `json:"finishedAt"`
	Identities  int              `json:"identities"`
	Deleted     map[string]int64 `json:"deleted"`
}

func (e erasure) print(t terminal) {
	report.Say(t.out, "", fmt.Sprintf("Erasure %s, asked for by %s at %s.", e.ID, e.RequestedBy, e.RequestedAt.Format(time.RFC3339)))
	if e.State != "done" {
		report.Say(t.out, "  ", "It is being carried out; nothing of the person is stored any more. See strata person proof "+e.ID)
		return
	}
	report.Say(t.out, "  ", fmt.Sprintf("Done at %s: nothing is left of %d linked identifiers.", e.FinishedAt.Format(time.RFC3339), e.Identities))
	for _, name := range slices.Sorted(maps.Keys(e.Deleted)) {
		report.Say(t.out, fmt.Sprintf("  %-16s ", name), fmt.Sprintf("%d documents", e.Deleted[name]))
	}
}
