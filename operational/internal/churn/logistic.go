package churn

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/strata-crm/strata/operational/internal/predict"
)

// Name and version of the attribute-based model.
const (
	LogisticName    = "churn_logistic"
	LogisticVersion = "1.0.0"
)

// Settings say how a model is fitted.
type Settings struct {
	Gates   Gates
	Knots   int     // where the effect of a number may bend; fewer are used where events are too few for them
	Penalty float64 // on half the squared coefficients, numbers being in standard deviations; positive
	Folds   int     // of calibration and, where the data has no time, of the hold-out; 2 or more
	Seed    uint64  // of the folds
	Reasons int     // how many a prediction names
	// MaxFitted is how many customers are fitted on at most, taken by a hash of their ids; memory goes with it, and with
	// more the coefficients are known no better than anybody needs. 1 or more.
	MaxFitted int
}

// DefaultSettings are those of the product. The penalty is weak: a coefficient is pulled as if by one more customer.
func DefaultSettings() Settings {
	return Settings{Gates: DefaultGates(), Knots: 3, Penalty: 1, Folds: 5, Seed: 1, Reasons: 3, MaxFitted: 100_000}
}

// Logistic is a fitted and calibrated model. It is immutable and safe for concurrent use.
type Logistic struct {
	Model       predict.Model // with the measures auc, brier, log_loss and base_rate
	Calibration []Bin         // of the hold-out, ten bins
	enc         *encoder
	theta       []float64 // intercept first
	cov         mat.SymDense
	slope       float64 // of the calibration: the logit that is told is shift + slope * x theta
	shift       float64
	settings    Settings
}

// Fit learns who leaves from the customers of a table. It fails (Invalid) on a table or settings that cannot be, and
// refuses with model_not_identified (Conflict) when a gate fails or the attributes tell nothing of who leaves.
//
// Numbers are standardised and their effect may bend at quartiles, categories become one column a level (levels of fewer than ten customers share one), and
// what is missing is said so by a column of its own. The coefficients are those of a logistic regression with a ridge.
// The probability is calibrated by Platt's sigmoid (Platt 1999), fitted on predictions for customers left out of the
// fit: two parameters, which keep the order of customers. Isotonic regression would need a thousand cases or more
// (Niculescu-Mizil & Caruana 2005), makes ties, and tells probabilities of 0 and 1.
//
// The hold-out is what [Evaluate] finds; the model itself is then fitted on everybody.
func Fit(t Table, s Settings) (*Logistic, error) {
	t, s, err := prepared(t, s)
	if err != nil {
		return nil, err
	}
	held, bins, err := evaluate(t, s)
	if err != nil {
		return nil, err
	}
	m, err := fitCalibrated(t, s)
	if err != nil {
		return nil, err
	}
	m.Model = predict.Model{Name: LogisticName, Version: LogisticVersion, N: len(t.Examples), HoldOut: held}
	m.Calibration = bins
	return m, nil
}

// fitPlain fits coefficients without calibration. The search begins at the coefficients of near, where that has the same
// columns; near may be nil.
func fitPlain(t Table, s Settings, near *Logistic) (*Logistic, error) {
	m := &Logistic{enc: newEncoder(t, s.Knots), slope: 1, settings: s}
	start := make([]float64, 1+len(m.enc.columns))
	if near != nil && sameColumns(near.enc, m.enc) {
		copy(start, near.theta)
	}
	target := make([]float64, len(t.Examples))
	for i, e := range t.Examples {
		target[i] = outcome(e.Churned)
	}
	theta, chol, err := regression{m.enc.matrix(t.Examples), target, s.Penalty}.minimise(start)
	if err != nil {
		return nil, err
	}
	m.theta = theta
	if err := chol.InverseTo(&m.cov); err != nil {
		return nil, singular()
	}
	return m, nil
}

func sameColumns(a, b *encoder) bool {
	return slices.EqualFunc(a.columns, b.columns, func(x, y column) bool {
		return x.attribute == y.attribute && x.level == y.level && math.IsInf(x.knot, -1) == math.IsInf(y.knot, -1)
	})
}

// fitCalibrated fits the coefficients on everybody, and the calibration on logits of customers left out.
func fitCalibrated(t Table, s Settings) (*Logistic, error) {
	m, err := fitPlain(t, s, nil)
	if err != nil {
		return nil, err
	}
	logits, err := leftOut(t, s, func(kept Table) (*Logistic, error) { return fitPlain(kept, s, m) })
	if err != nil {
		return nil, err
	}
	m.shift, m.slope, err = platt(logits, t.churned())
	return m, err
}

func (t Table) churned() []bool {
	out := make([]bool, len(t.Examples))
	for i, e := range t.Examples {
		out[i] = e.Churned
	}
	return out
}

// leftOut returns the logit of every customer by the model fitted on the other folds.
func leftOut(t Table, s Settings, fit func(kept Table) (*Logistic, error)) ([]float64, error) {
	fold := Folds(t.churned(), s.Folds, s.Seed)
	out := make([]float64, len(t.Examples))
	for k := range s.Folds {
		kept, _ := t.split(func(i int) bool { return fold[i] == k })
		m, err := fit(kept)
		if err != nil {
			return nil, err
		}
		row := make([]float64, len(m.enc.columns))
		for i, e := range t.Examples {
			if fold[i] == k {
				out[i] = m.logit(e.Values, row)
			}
		}
	}
	return out, nil
}

// platt fits 1/(1+e^-(shift + slope f)) with the smoothed targets of Platt (1999), which keep it from certainty.
func platt(logits []float64, churned []bool) (shift, slope float64, err error) {
	x, target := mat.NewDense(len(logits), 2, nil), make([]float64, len(logits))
	events := 0.0
	for _, c := range churned {
		events += outcome(c)
	}
	for i, f := range logits {
		x.SetRow(i, []float64{1, f})
		target[i] = 1 / (float64(len(logits)) - events + 2)
		if churned[i] {
			target[i] = (events + 1) / (events + 2)
		}
	}
	theta, _, err := regression{x, target, 0}.minimise([]float64{0, 1})
	if err != nil {
		return 0, 0, err
	}
	if theta[1] <= 0 {
		return 0, 0, notIdentified("the attributes tell nothing of who leaves: customers left out were ranked no better than by chance")
	}
	return theta[0], theta[1], nil
}

// logit is the calibrated logit of a customer; row is room for the columns and holds them afterwards.
func (m *Logistic) logit(values []Value, row []float64) float64 {
	m.enc.row(values, row)
	f := m.theta[0]
	for j, x := range row {
		f += m.theta[1+j] * x
	}
	return m.shift + m.slope*f
}

// Reason is what one attribute adds to a customer's logit, compared with the average customer.
type Reason struct {
	Attribute string
	Value     Value
	LogOdds   float64 // positive where it speaks for leaving
	Points    float64 // what it adds to the probability, as a fraction: that less the one without this contribution
}

// String says the reason in a line, such as "Contract Month-to-month: +13.1 points".
func (r Reason) String() string {
	value := "unknown"
	switch {
	case r.Value.Known && r.Value.Text != "":
		value = r.Value.Text
	case r.Value.Known:
		value = fmt.Sprintf("%.4g", r.Value.Number)
	}
	return fmt.Sprintf("%s %s: %+.1f points", r.Attribute, value, 100*r.Points)
}

// Prediction is what a model tells of one customer.
type Prediction struct {
	Customer    string
	Probability float64          // of leaving, in (0, 1), calibrated
	Interval    predict.Interval // 95 %, of the probability: how well the coefficients are known
	Reasons     []Reason         // the strongest first
	Model       predict.Model
}

// Predict tells how likely a customer is to leave and why. It fails (Invalid) on values that do not fit the table's
// attributes.
func (m *Logistic) Predict(c Subject) (Prediction, error) {
	if err := checkSubject(m.enc.attributes, c); err != nil {
		return Prediction{}, err
	}
	row := make([]float64, len(m.enc.columns))
	f := m.logit(c.Values, row)
	half := z95 * m.slope * m.stdErr(row)
	return Prediction{
		Customer: c.Customer, Probability: sigmoid(f), Model: m.Model,
		Interval: predict.Interval{Low: sigmoid(f - half), High: sigmoid(f + half), Level: .95},
		Reasons:  m.reasons(c.Values, row, f),
	}, nil
}

// stdErr is that of the logit before calibration.
func (m *Logistic) stdErr(row []float64) float64 {
	x := mat.NewVecDense(1+len(row), append([]float64{1}, row...))
	return math.Sqrt(mat.Inner(x, &m.cov, x))
}

func (m *Logistic) reasons(values []Value, row []float64, f float64) []Reason {
	all := m.contributions(values, row, f)
	slices.SortStableFunc(all, func(a, b Reason) int { return cmp.Compare(math.Abs(b.LogOdds), math.Abs(a.LogOdds)) })
	all = slices.DeleteFunc(all, func(r Reason) bool { return r.LogOdds == 0 })
	return all[:min(len(all), m.settings.Reasons)]
}

// contributions are one for each attribute: with the average customer's logit they sum to f.
func (m *Logistic) contributions(values []Value, row []float64, f float64) []Reason {
	out := make([]Reason, len(values))
	for a, columns := range m.enc.of {
		c := 0.0
		for _, j := range columns {
			c += m.slope * m.theta[1+j] * row[j]
		}
		out[a] = Reason{m.enc.attributes[a].Name, values[a], c, sigmoid(f) - sigmoid(f-c)}
	}
	return out
}

// Coefficient is one of the model's, before calibration.
type Coefficient struct {
	Attribute string  // empty for the intercept, the logit of the average customer
	Level     string  // of a category, or "(missing)" or "(other)"; empty for a number
	Above     float64 // the number's effect changes by this much beyond here; -Inf for the effect itself
	Scale     float64
	Estimate  float64 // in log-odds for Scale units of a number, or for having the level
	StdErr    float64 // from the inverse curvature of the penalised likelihood
}

// Coefficients are the intercept and then those of the attributes in the table's order. Their standard errors are those
// of the posterior whose prior is the penalty (Wahba 1983; Wood 2017, sec. 6.10): they cover what shrinkage moves, too.
// Levels of a category are told against their common mean, so that they sum to 0 and none is the one left out.
// Attributes that go together share their effect, and the ridge says how: read them together.
func (m *Logistic) Coefficients() []Coefficient {
	out := []Coefficient{{Above: math.Inf(-1), Scale: 1, Estimate: m.theta[0], StdErr: math.Sqrt(m.cov.At(0, 0))}}
	for j, c := range m.enc.columns {
		attribute := m.enc.attributes[c.attribute]
		of := []int{j}
		if attribute.Kind == Category {
			of = m.enc.of[c.attribute]
		}
		out = append(out, Coefficient{
			Attribute: attribute.Name, Level: c.level, Above: c.knot, Scale: c.scale, Estimate: m.theta[1+j], StdErr: m.contrast(j, of),
		})
	}
	return out
}

// contrast is the standard error of a column's coefficient less the mean of several columns'; alone it is its own. The
// penalty makes that mean 0, but only the penalty knows it: the data tell levels apart and nothing of their mean.
func (m *Logistic) contrast(j int, of []int) float64 {
	c := mat.NewVecDense(len(m.theta), nil)
	if len(of) > 1 {
		for _, k := range of {
			c.SetVec(1+k, -1/float64(len(of)))
		}
	}
	c.SetVec(1+j, c.AtVec(1+j)+1)
	return math.Sqrt(mat.Inner(c, &m.cov, c))
}
