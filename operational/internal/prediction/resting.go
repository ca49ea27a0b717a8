package prediction

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// modelOf names the model of a kind whose fits claims may rest on.
var modelOf = map[Kind]string{Value: valueName, Alive: aliveName}

// fits returns the fits of the request's model as they stood by the data until its day. It fails with fault.Conflict, code
// validity, where the current one has expired.
func (s *Service) fits(ctx context.Context, r Request) (model.Line, error) {
	name, ok := modelOf[r.Kind]
	if !ok {
		return nil, nil
	}
	line, err := s.o.Models.Line(ctx, model.Subject{Model: name})
	if err != nil {
		return nil, fmt.Errorf("fits of %s: %w", name, err)
	}
	line = line.AsOf(r.AsOf.End(s.o.Zone))
	if f, ok := line.Current(); ok && f.State == contract.ModelExpired {
		return nil, fault.New(fault.Conflict, fault.Validity, "claims that rest on fit %d of %s fell with the data until %s: it is fitted anew with the next closed window",
			f.Number, name, f.History[len(f.History)-1].AsOf.In(s.o.Zone).Format(time.DateOnly))
	}
	return line, nil
}

// rest says where in its life the model of a set is. One that no directive asks for lives by its own hold-out alone.
func rest(m *predict.Model, fits model.Line) {
	f, ok := fits.Current()
	switch {
	case ok:
		m.State, m.Fit = f.State, f.Number
	case m.HoldOut.Design == "": // it says what was, not what will be
	case m.HoldOut.Customers > 0:
		m.State = contract.ModelActive
	default:
		m.State = contract.ModelShadow
	}
}
