package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/strategic/internal/board"
	"github.com/strata-crm/strata/strategic/internal/chart"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// ListInsights implements StrictServerInterface.
func (s *Server) ListInsights(ctx context.Context, r ListInsightsRequestObject) (ListInsightsResponseObject, error) {
	page, err := s.claims(ctx, knowledge.Query{Goal: text[contract.GoalID](r.Params.Goal), State: text[knowledge.State](r.Params.State)}, r.Params.Cursor, r.Params.Limit)
	return ListInsights200JSONResponse(page), err
}

// ListKnowledge implements StrictServerInterface.
func (s *Server) ListKnowledge(ctx context.Context, r ListKnowledgeRequestObject) (ListKnowledgeResponseObject, error) {
	page, err := s.claims(ctx, knowledge.Query{
		Goal: text[contract.GoalID](r.Params.Goal), State: text[knowledge.State](r.Params.State), Accepted: true,
	}, r.Params.Cursor, r.Params.Limit)
	return ListKnowledge200JSONResponse(page), err
}

// text returns an optional parameter; empty where it is not given.
func text[T, P ~string](p *P) T {
	if p == nil {
		return ""
	}
	return T(*p)
}

// claims reads one page of insights.
func (s *Server) claims(ctx context.Context, q knowledge.Query, cursor *Cursor, limit *Limit) (ClaimPage, error) {
	if err := s.read(ctx); err != nil {
		return ClaimPage{}, err
	}
	most, err := httpx.Limit(limit)
	if err != nil {
		return ClaimPage{}, err
	}
	var at position
	if cursor != nil {
		if err := httpx.DecodeCursor(*cursor, &at); err != nil {
			return ClaimPage{}, err
		}
	}
	q.After, q.Limit = contract.InsightID(at.After), most+1
	rs, err := s.d.Reader.Insights(ctx, q)
	if err != nil {
		return ClaimPage{}, err
	}
	p, err := httpx.NewPage(rs, most, func(r knowledge.Record) position { return position{string(r.Insight.ID)} })
	if err != nil {
		return ClaimPage{}, err
	}
	page := ClaimPage{Items: []board.Claim{}, Next: p.Next}
	goals := map[contract.GoalID]directive.Record{}
	for n := range p.Items {
		c, err := s.claim(ctx, &p.Items[n], goals)
		if err != nil {
			return ClaimPage{}, err
		}
		page.Items = append(page.Items, c)
	}
	return page, nil
}

// claim returns one insight as a reader needs it; goals keeps what was read of them.
func (s *Server) claim(ctx context.Context, r *knowledge.Record, goals map[contract.GoalID]directive.Record) (board.Claim, error) {
	g, known := goals[r.Insight.Goal]
	if !known {
		var err error
		if g, err = s.d.Reader.Record(ctx, r.Insight.Goal); err != nil {
			return board.Claim{}, err
		}
		goals[r.Insight.Goal] = g
	}
	return board.ClaimOf(r, &g, s.d.Zone), nil
}

// GetInsight implements StrictServerInterface.
func (s *Server) GetInsight(ctx context.Context, r GetInsightRequestObject) (GetInsightResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	rec, err := s.d.Reader.Insight(ctx, contract.InsightID(r.Insight))
	if err != nil {
		return nil, err
	}
	c, err := s.claim(ctx, &rec, map[contract.GoalID]directive.Record{})
	return GetInsight200JSONResponse(c), err
}

// GetInsightChart implements StrictServerInterface.
func (s *Server) GetInsightChart(ctx context.Context, r GetInsightChartRequestObject) (GetInsightChartResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	rec, err := s.d.Reader.Insight(ctx, contract.InsightID(r.Insight))
	if err != nil {
		return nil, err
	}
	question, ok := strings.CutSuffix(string(r.Chart), ".svg")
	if !ok {
		return nil, fault.New(fault.NotFound, "", "there is no chart %s", r.Chart)
	}
	return picture{chart.Of(contract.Question(question), &rec.Insight, s.d.Zone)}, nil
}

// picture writes a scene as an image of its own.
type picture struct{ scene chart.Scene }

// VisitGetInsightChartResponse implements GetInsightChartResponseObject. The image brings its colours along, for light and
// dark, so it may style itself; it may load and run nothing.
func (p picture) VisitGetInsightChartResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "image/svg+xml; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write([]byte(p.scene.File()))
	return err
}
