package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
)

// remembering is a warehouse that answers again without asking what several metrics of a window ask: the quality of its
// orders, how many customers have a parameter, and the summaries that models are fitted to, of which it keeps the last. It serves one round of one engine.
type remembering struct {
	Warehouse

	qualities sync.Mutex
	quality   map[Span]Quality
	covered   map[contract.ParameterName]covered

	reading   sync.Mutex // held while summaries are read, so that the second model waits for the first one's
	question  string
	summaries []btyd.Summary
}

func remember(w Warehouse) *remembering {
	return &remembering{Warehouse: w, quality: map[Span]Quality{}, covered: map[contract.ParameterName]covered{}}
}

type covered struct{ have, of int64 }

// Covered implements Warehouse.
func (r *remembering) Covered(ctx context.Context, p contract.ParameterName) (have, of int64, err error) {
	r.qualities.Lock()
	defer r.qualities.Unlock()
	c, ok := r.covered[p]
	if !ok {
		if c.have, c.of, err = r.Warehouse.Covered(ctx, p); err == nil {
			r.covered[p] = c
		}
	}
	return c.have, c.of, err
}

// Quality implements Warehouse.
func (r *remembering) Quality(ctx context.Context, w Span) (Quality, error) {
	r.qualities.Lock()
	defer r.qualities.Unlock()
	if q, ok := r.quality[w]; ok {
		return q, nil
	}
	q, err := r.Warehouse.Quality(ctx, w)
	if err == nil {
		r.quality[w] = q
	}
	return q, err
}

// Summaries implements Warehouse. Nobody may change what it returns.
func (r *remembering) Summaries(ctx context.Context, w Span, scope *contract.Condition) ([]btyd.Summary, error) {
	s, err := json.Marshal(scope)
	if err != nil {
		return nil, fmt.Errorf("scope: %w", err)
	}
	question := string(w.Until) + string(s)
	r.reading.Lock()
	defer r.reading.Unlock()
	if question == r.question && r.summaries != nil {
		return r.summaries, nil
	}
	r.summaries, err = r.Warehouse.Summaries(ctx, w, scope)
	r.question = question
	return r.summaries, err
}
