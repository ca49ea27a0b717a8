package httpapi

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
)

// ListSources implements StrictServerInterface.
func (c *Collecting) ListSources(ctx context.Context, _ ListSourcesRequestObject) (ListSourcesResponseObject, error) {
	if err := c.may(ctx, actionRead); err != nil {
		return nil, err
	}
	all, err := c.Registry.List(ctx)
	if err != nil {
		return nil, err
	}
	marks, err := c.Keeper.Of(ctx)
	if err != nil {
		return nil, err
	}
	out := ListSources200JSONResponse{Items: make([]Source, len(all))}
	for i := range all {
		out.Items[i] = sourceDocument(&all[i])
		mark := watermarkDocument(marks[all[i].ID])
		out.Items[i].Watermark = &mark
	}
	return out, nil
}

// RegisterSource implements StrictServerInterface.
func (c *Collecting) RegisterSource(ctx context.Context, r RegisterSourceRequestObject) (RegisterSourceResponseObject, error) {
	if err := c.may(ctx, actionRegister); err != nil {
		return nil, err
	}
	d, err := draft(r.Body)
	if err != nil {
		return nil, err
	}
	s, key, err := c.Registry.Register(ctx, d)
	if err != nil {
		return nil, err
	}
	return RegisterSource201JSONResponse{Body: RegisteredSource{Source: sourceDocument(&s), WriteKey: key},
		Headers: RegisterSource201ResponseHeaders{ETag: optional(httpx.ETag(s.Revision))}}, nil
}

func draft(b *SourceDraft) (source.Draft, error) {
	d := source.Draft{ID: contract.SourceID(b.Id), Name: b.Name, Owner: b.Owner, Steward: b.Steward, Format: string(b.Format), Trust: source.Unknown}
	for _, p := range b.Offers {
		d.Offers = append(d.Offers, contract.ParameterName(p))
	}
	if b.Trust != nil {
		d.Trust = source.Trust(*b.Trust)
	}
	if b.Lateness != nil {
		late, err := time.ParseDuration(*b.Lateness)
		if err != nil {
			e := fault.New(fault.Invalid, fault.BadRequest, "must be a duration such as 1h or 48h")
			e.At = "/lateness"
			return d, e
		}
		d.Lateness = late
	}
	return d, nil
}

// GetSource implements StrictServerInterface.
func (c *Collecting) GetSource(ctx context.Context, r GetSourceRequestObject) (GetSourceResponseObject, error) {
	if err := c.may(ctx, actionRead); err != nil {
		return nil, err
	}
	s, err := c.Registry.Get(ctx, contract.SourceID(r.Source))
	if err != nil {
		return nil, err
	}
	return GetSource200JSONResponse{tagged(&s)}, nil
}

// ChangeSource implements StrictServerInterface.
func (c *Collecting) ChangeSource(ctx context.Context, r ChangeSourceRequestObject) (ChangeSourceResponseObject, error) {
	if err := c.may(ctx, actionRegister); err != nil {
		return nil, err
	}
	header := ""
	if r.Params.IfMatch != nil {
		header = *r.Params.IfMatch
	}
	seen, err := httpx.ParseIfMatch(header)
	if err != nil {
		return nil, err
	}
	d, err := draft(r.Body)
	if err != nil {
		return nil, err
	}
	if string(d.ID) != r.Source {
		e := fault.New(fault.Invalid, fault.BadRequest, "must be the id in the path, %s", r.Source)
		e.At = "/id"
		return nil, e
	}
	s, err := c.Registry.Change(ctx, d, seen)
	if err != nil {
		return nil, err
	}
	return ChangeSource200JSONResponse{tagged(&s)}, nil
}

// RenewKey implements StrictServerInterface.
func (c *Collecting) RenewKey(ctx context.Context, r RenewKeyRequestObject) (RenewKeyResponseObject, error) {
	if err := c.may(ctx, actionRegister); err != nil {
		return nil, err
	}
	s, key, err := c.Registry.NewKey(ctx, contract.SourceID(r.Source))
	if err != nil {
		return nil, err
	}
	return RenewKey201JSONResponse{Source: sourceDocument(&s), WriteKey: key}, nil
}

// ListDropped implements StrictServerInterface.
func (c *Collecting) ListDropped(ctx context.Context, r ListDroppedRequestObject) (ListDroppedResponseObject, error) {
	if err := c.may(ctx, actionRead); err != nil {
		return nil, err
	}
	drops, err := c.Dropped.Of(ctx, contract.SourceID(r.Source))
	if err != nil {
		return nil, err
	}
	out := ListDropped200JSONResponse{Items: []DroppedProperty{}}
	for _, name := range slices.Sorted(maps.Keys(drops)) {
		out.Items = append(out.Items, DroppedProperty{Name: name, Count: drops[name]})
	}
	return out, nil
}

// GetWatermark implements StrictServerInterface.
func (c *Collecting) GetWatermark(ctx context.Context, r GetWatermarkRequestObject) (GetWatermarkResponseObject, error) {
	if err := c.may(ctx, actionDeclare, actionRead); err != nil {
		return nil, err
	}
	if _, err := c.Registry.Get(ctx, contract.SourceID(r.Source)); err != nil {
		return nil, err
	}
	marks, err := c.Keeper.Of(ctx)
	if err != nil {
		return nil, err
	}
	return GetWatermark200JSONResponse(watermarkDocument(marks[contract.SourceID(r.Source)])), nil
}

// DeclareComplete implements StrictServerInterface.
func (c *Collecting) DeclareComplete(ctx context.Context, r DeclareCompleteRequestObject) (DeclareCompleteResponseObject, error) {
	if err := c.may(ctx, actionDeclare); err != nil {
		return nil, err
	}
	until, err := c.instant(r.Body.CompleteUntil)
	if err != nil {
		return nil, err
	}
	w, err := c.Keeper.Declare(ctx, contract.SourceID(r.Source), until)
	if err != nil {
		return nil, err
	}
	return DeclareComplete200JSONResponse(watermarkDocument(w)), nil
}

func tagged(s *source.Source) SourceJSONResponse {
	return SourceJSONResponse{Body: sourceDocument(s), Headers: SourceResponseHeaders{ETag: optional(httpx.ETag(s.Revision))}}
}

func sourceDocument(s *source.Source) Source {
	d := Source{Id: string(s.ID), Name: s.Name, Owner: s.Owner, Steward: s.Steward, Format: s.Format, Trust: string(s.Trust), Revision: s.Revision,
		RegisteredAt: s.RegisteredAt, Offers: []string{}}
	for _, p := range s.Offers {
		d.Offers = append(d.Offers, string(p))
	}
	if s.Lateness > 0 {
		d.Lateness = optional(s.Lateness.String())
	}
	return d
}

func watermarkDocument(w source.Watermark) Watermark {
	d := Watermark{Pending: []time.Time{}}
	if !w.Until.IsZero() {
		d.CompleteUntil = &w.Until
	}
	for _, p := range w.Pending {
		d.Pending = append(d.Pending, p.Until)
	}
	return d
}
