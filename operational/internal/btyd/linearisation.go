package btyd

import (
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/strata-crm/strata/shared/fault"
)

// Linearisation is how n customers carry a forecast and its models' k parameters, in the shapes that
// validity.ModelInfluence(Expected, Grad, Information, Scores) asks for. Parameters are logarithms, those of the
// purchase model before those of the spend model.
type Linearisation struct {
	Expected    []float64   // n: e_i, the forecast of customer i, in its unit
	Grad        []float64   // k: the derivative of the mean of e by the parameters
	Information [][]float64 // k by k: the observed information per customer; between two models it is 0
	Scores      [][]float64 // n by k: the derivative of customer i's log-likelihood; not to be changed, equal customers share one
}

// Of returns the forecasts of customers of the population, in the order given. It fails (Invalid) on a summary that is
// of none of them.
func (f *Forecast) Of(customers []Summary) ([]float64, error) {
	out := make([]float64, len(customers))
	for i, c := range customers {
		at, err := f.population.cell(c)
		if err != nil {
			return nil, err
		}
		out[i] = f.values[at]
	}
	return out, nil
}

// cell returns the index of the customer's cell.
func (p *Population) cell(c Summary) (int, error) {
	at, found := slices.BinarySearchFunc(p.cells, c, compareSummary)
	if !found {
		return 0, fault.New(fault.Invalid, fault.InvalidItem, "customer %+v is not in the population of the model: fit it on all customers", c)
	}
	return at, nil
}

// Linearise returns the inputs of each customer's influence on the mean. customers are all customers of the population,
// in any order, which is that of the result; one with a Count above 1 makes as many rows. It fails (Invalid) when they
// are not those of the population.
func (f *Forecast) Linearise(customers []Summary) (Linearisation, error) {
	cells, err := f.population.rows(customers)
	if err != nil {
		return Linearisation{}, err
	}
	n := float64(f.population.customers)
	out := Linearisation{Information: f.information()}
	for _, part := range f.parts {
		for _, g := range part.grad {
			out.Grad = append(out.Grad, g/n)
		}
	}
	scores := f.scores(len(out.Grad))
	for _, at := range cells {
		out.Expected = append(out.Expected, f.values[at])
		out.Scores = append(out.Scores, scores[at])
	}
	return out, nil
}

// rows returns the cell of every single customer, having checked that they are the population's.
func (p *Population) rows(customers []Summary) ([]int, error) {
	left := make([]int, len(p.cells))
	for i, c := range p.cells {
		left[i] = c.Count
	}
	out := make([]int, 0, p.customers)
	for _, c := range customers {
		at, err := p.cell(c)
		if err != nil || c.Count < 1 || left[at] < c.Count {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "customer %+v is one more than the model was fitted on: linearise over the same customers", c)
		}
		left[at] -= c.Count
		for range c.Count {
			out = append(out, at)
		}
	}
	if len(out) != p.customers {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "%d customers of the %d that the model was fitted on: linearise over all of them",
			len(out), p.customers)
	}
	return out, nil
}

// information is the observed information of all parts per customer of the population, a block for each.
func (f *Forecast) information() [][]float64 {
	k := 0
	for _, part := range f.parts {
		k += len(part.grad)
	}
	blocks, from := mat.NewDense(k, k, nil), 0
	for _, part := range f.parts {
		to := from + len(part.grad)
		blocks.Slice(from, to, from, to).(*mat.Dense).Scale(1/float64(f.population.customers), &part.info)
		from = to
	}
	out := make([][]float64, k)
	for i := range out {
		out[i] = blocks.RawRowView(i)
	}
	return out
}

// scores are those of the cells, of all parts side by side.
func (f *Forecast) scores(k int) [][]float64 {
	all := make([]float64, k*len(f.values))
	out := make([][]float64, len(f.values))
	for i := range out {
		out[i] = all[i*k : (i+1)*k : (i+1)*k]
	}
	from := 0
	for _, part := range f.parts {
		to, density := from+len(part.grad), part.density()
		for i, row := range part.row {
			if row >= 0 {
				density(row, out[i][from:to])
			}
		}
		from = to
	}
	return out
}
