package httpapi

import (
	"context"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/fault"
)

type openedSource struct{}

// openSource finds the source that a write key opens, on the collection routes.
func (c *Collecting) openSource(next echo.HandlerFunc) echo.HandlerFunc {
	return func(e echo.Context) error {
		r := e.Request()
		if !strings.HasPrefix(e.Path(), "/v1/") {
			return next(e)
		}
		key, _, ok := r.BasicAuth()
		if !ok {
			key, _ = strings.CutPrefix(r.Header.Get(echo.HeaderAuthorization), "Bearer ")
		}
		s, err := c.Registry.ByKey(r.Context(), key)
		if err != nil {
			return err
		}
		e.SetRequest(r.WithContext(context.WithValue(r.Context(), openedSource{}, s)))
		return next(e)
	}
}

func (c *Collecting) collect(ctx context.Context, as string, r collect.Request) (Answers, error) {
	s, ok := ctx.Value(openedSource{}).(source.Source)
	if !ok {
		return Answers{}, fault.New(fault.Denied, fault.NotSignedIn, "send the source's write key")
	}
	r.Source, r.As = s, as
	answers, err := c.Gateway.Collect(ctx, r)
	if err != nil {
		return Answers{}, err
	}
	out := Answers{Success: true, Results: make([]Answer, len(answers))}
	for i, a := range answers {
		out.Results[i] = Answer{MessageId: a.MessageID, Status: AnswerStatus(a.Status), Code: optional(string(a.Code)), Detail: optional(a.Detail)}
		out.Success = out.Success && (a.Status == fault.Accepted || a.Status == fault.Duplicate)
	}
	return out, nil
}

// one takes a single call. An invalid item fails the request, so that a sender that looks at the status alone notices.
func (c *Collecting) one(ctx context.Context, as string, item *Item) (CollectedJSONResponse, error) {
	if item == nil {
		return CollectedJSONResponse{}, fault.New(fault.Invalid, fault.MissingField, "send the item as JSON")
	}
	out, err := c.collect(ctx, as, collect.Request{Items: []Item{*item}})
	if err == nil && out.Results[0].Status == AnswerStatus(fault.InvalidItem) {
		a := out.Results[0]
		return CollectedJSONResponse{}, fault.New(fault.Invalid, fault.Code(*a.Code), "%s", *a.Detail)
	}
	return CollectedJSONResponse(out), err
}

// Identify implements StrictServerInterface.
func (c *Collecting) Identify(ctx context.Context, r IdentifyRequestObject) (IdentifyResponseObject, error) {
	a, err := c.one(ctx, "identify", r.Body)
	return Identify200JSONResponse{a}, err
}

// Track implements StrictServerInterface.
func (c *Collecting) Track(ctx context.Context, r TrackRequestObject) (TrackResponseObject, error) {
	a, err := c.one(ctx, "track", r.Body)
	return Track200JSONResponse{a}, err
}

// Page implements StrictServerInterface.
func (c *Collecting) Page(ctx context.Context, r PageRequestObject) (PageResponseObject, error) {
	a, err := c.one(ctx, "page", r.Body)
	return Page200JSONResponse{a}, err
}

// Screen implements StrictServerInterface.
func (c *Collecting) Screen(ctx context.Context, r ScreenRequestObject) (ScreenResponseObject, error) {
	a, err := c.one(ctx, "screen", r.Body)
	return Screen200JSONResponse{a}, err
}

// Group implements StrictServerInterface.
func (c *Collecting) Group(ctx context.Context, r GroupRequestObject) (GroupResponseObject, error) {
	a, err := c.one(ctx, "group", r.Body)
	return Group200JSONResponse{a}, err
}

// Alias implements StrictServerInterface.
func (c *Collecting) Alias(ctx context.Context, r AliasRequestObject) (AliasResponseObject, error) {
	a, err := c.one(ctx, "alias", r.Body)
	return Alias200JSONResponse{a}, err
}

// Batch implements StrictServerInterface.
func (c *Collecting) Batch(ctx context.Context, r BatchRequestObject) (BatchResponseObject, error) {
	out, err := c.collect(ctx, "", collect.Request{Items: r.Body.Batch, SentAt: r.Body.SentAt})
	if err != nil {
		return nil, err
	}
	if !out.Success {
		return Batch207JSONResponse{PartlyCollectedJSONResponse(out)}, nil
	}
	return Batch200JSONResponse{CollectedJSONResponse(out)}, nil
}
