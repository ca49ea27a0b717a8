package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"strconv"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/strategic/internal/board"
	"github.com/strata-crm/strata/strategic/internal/live"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// GetScorecard implements StrictServerInterface.
func (s *Server) GetScorecard(ctx context.Context, r GetScorecardRequestObject) (GetScorecardResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	at, err := asOf(r.Params.AsOf, s.d.Zone)
	if err != nil {
		return nil, err
	}
	rs, err := s.d.Reader.List(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	return GetScorecard200JSONResponse(board.Of(rs, s.d.Zone, at)), nil
}

// PrintScorecard implements StrictServerInterface.
func (s *Server) PrintScorecard(ctx context.Context, r PrintScorecardRequestObject) (PrintScorecardResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	at, err := asOf(r.Params.AsOf, s.d.Zone)
	if err != nil {
		return nil, err
	}
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	pdf, err := s.d.Print(ctx, who, at, text[string](r.Params.AsOf))
	return PrintScorecard200ApplicationpdfResponse{Body: bytes.NewReader(pdf), ContentLength: int64(len(pdf))}, err
}

// GetCard implements StrictServerInterface.
func (s *Server) GetCard(ctx context.Context, r GetCardRequestObject) (GetCardResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	at, err := asOf(r.Params.AsOf, s.d.Zone)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Reader.Record(ctx, contract.GoalID(r.Goal))
	if err != nil {
		return nil, err
	}
	return GetCard200JSONResponse(board.CardOf(&rec, s.d.Zone, at)), nil
}

// GetHistory implements StrictServerInterface.
func (s *Server) GetHistory(ctx context.Context, r GetHistoryRequestObject) (GetHistoryResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	at, err := asOf(r.Params.AsOf, s.d.Zone)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Reader.Record(ctx, contract.GoalID(r.Goal))
	if err != nil {
		return nil, err
	}
	all := scorecard.History(rec.Judging(s.d.Zone, at))
	if all == nil {
		all = []scorecard.State{}
	}
	return GetHistory200JSONResponse{Items: all}, nil
}

// StreamEvents implements StrictServerInterface.
func (s *Server) StreamEvents(ctx context.Context, _ StreamEventsRequestObject) (StreamEventsResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	return stream{ctx, s.d.Watcher.Watch(ctx)}, nil
}

// stream writes changes as server-sent events. Their ids order them; a browser that comes back reads the page again, so
// nothing is played back.
type stream struct {
	ctx     context.Context // the generated interface hands over none
	changes <-chan live.Change
}

// VisitStreamEventsResponse implements StreamEventsResponseObject.
func (s stream) VisitStreamEventsResponse(w http.ResponseWriter) error {
	events := make(chan httpx.Event)
	go func() {
		defer close(events)
		for c := range s.changes {
			e := httpx.Event{ID: strconv.FormatInt(c.At.UnixMilli(), 10) + "-" + strconv.FormatInt(c.Version, 10), Type: "change", Data: c}
			select {
			case events <- e:
			case <-s.ctx.Done():
				return
			}
		}
	}()
	return httpx.StreamTo(s.ctx, w, events)
}
