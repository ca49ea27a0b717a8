package httpapi

import (
	"context"
	"time"

	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
)

// Persons serves the rights of one person: to know what is held of them, and to be forgotten. All fields but Wake are
// required.
type Persons struct {
	Tenant     contract.TenantID
	Gate       Gate
	Keys       *identity.Keys
	Erasures   erasure.Requests
	Disclosure erasure.Disclosure
	Now        func() time.Time
	NewID      func() string
	Wake       func() // called after an erasure was asked for; must not block
}

// Check returns fault.Invalid when a field is missing.
func (p *Persons) Check() error {
	if !p.Tenant.Valid() || p.Gate == nil || p.Keys == nil || p.Erasures == nil || p.Disclosure == nil || p.Now == nil || p.NewID == nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "httpapi.Persons needs all its fields")
	}
	return nil
}

func (p *Persons) customer(n *PersonNamed) identity.Key {
	return p.Keys.Customer(identity.Kind(n.Kind), n.Identifier)
}

// RequestErasure implements StrictServerInterface.
func (p *Persons) RequestErasure(ctx context.Context, r RequestErasureRequestObject) (RequestErasureResponseObject, error) {
	if err := may(ctx, p.Tenant, p.Gate, actionErase); err != nil {
		return nil, err
	}
	who, _ := signin.From(ctx)
	e, err := p.Erasures.Begin(ctx, erasure.Erasure{Tenant: p.Tenant, ID: p.NewID(), By: who.Subject, RequestedAt: p.Now().UTC().Truncate(time.Millisecond)},
		p.customer(r.Body))
	if err != nil {
		return nil, err
	}
	if p.Wake != nil {
		p.Wake()
	}
	return RequestErasure202JSONResponse(erasureDocument(&e)), nil
}

// GetErasure implements StrictServerInterface.
func (p *Persons) GetErasure(ctx context.Context, r GetErasureRequestObject) (GetErasureResponseObject, error) {
	if err := may(ctx, p.Tenant, p.Gate, actionRead, actionErase); err != nil {
		return nil, err
	}
	e, err := p.Erasures.Get(ctx, p.Tenant, r.Erasure)
	if err != nil {
		return nil, err
	}
	return GetErasure200JSONResponse(erasureDocument(&e)), nil
}

type erasureCursor struct {
	Before string `json:"before"`
}

// ListErasures implements StrictServerInterface.
func (p *Persons) ListErasures(ctx context.Context, r ListErasuresRequestObject) (ListErasuresResponseObject, error) {
	if err := may(ctx, p.Tenant, p.Gate, actionRead, actionErase); err != nil {
		return nil, err
	}
	limit, err := httpx.Limit(r.Params.Limit)
	if err != nil {
		return nil, err
	}
	var at erasureCursor
	if r.Params.Cursor != nil {
		if err := httpx.DecodeCursor(*r.Params.Cursor, &at); err != nil {
			return nil, err
		}
	}
	list, err := p.Erasures.List(ctx, p.Tenant, at.Before, limit+1)
	if err != nil {
		return nil, err
	}
	out := ListErasures200JSONResponse{Items: []Erasure{}}
	if len(list) > limit {
		list = list[:limit]
		next, err := httpx.EncodeCursor(erasureCursor{Before: list[limit-1].ID})
		if err != nil {
			return nil, err
		}
		out.Next = &next
	}
	for i := range list {
		out.Items = append(out.Items, erasureDocument(&list[i]))
	}
	return out, nil
}

func erasureDocument(e *erasure.Erasure) Erasure {
	d := Erasure{Id: e.ID, State: "running", RequestedAt: e.RequestedAt, RequestedBy: e.By, FinishedAt: e.FinishedAt, Identities: e.Identities, Deleted: e.Deleted}
	if e.Done() {
		d.State = "done"
	}
	if d.Deleted == nil {
		d.Deleted = map[string]int64{}
	}
	return d
}

// DisclosePerson implements StrictServerInterface.
func (p *Persons) DisclosePerson(ctx context.Context, r DisclosePersonRequestObject) (DisclosePersonResponseObject, error) {
	if err := may(ctx, p.Tenant, p.Gate, actionDisclose); err != nil {
		return nil, err
	}
	identities, held, err := p.Disclosure.Held(ctx, p.Tenant, p.customer(r.Body))
	if err != nil {
		return nil, err
	}
	for name, docs := range held {
		if docs == nil {
			held[name] = []map[string]any{}
		}
	}
	return DisclosePerson200JSONResponse{Identities: identities, Held: held}, nil
}
