package insight

import (
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// The models that claims may be made of, and what is read off them.
const (
	outputValue     = "residual_value"     // bg_nbd_gamma_gamma
	outputPurchases = "expected_purchases" // bg_nbd
	outputAlive     = "share_alive"        // mbg_nbd
)

// forecastDays is the length of the windows in which a forecast meets what came.
const forecastDays = 28

var models = map[string]string{"bg_nbd_gamma_gamma": outputValue, "bg_nbd": outputPurchases, "mbg_nbd": outputAlive}

func checkForecast(m *contract.ModelSpec) *contract.Reason {
	if m == nil || models[m.Name] != m.Output || m.Output != outputAlive && m.Horizon <= 0 {
		return unsupported("model")
	}
	return nil
}

// buyer is a customer as a model sees them.
type buyer struct {
	summary btyd.Summary
	days    []fact.CustomerDay
	row     row
	in      [2]bool // by side: in the scope of that group
}

// prognosis is the look at a claim that a model makes. The model is fitted to the histories up to the publication, at every
// look again, so that nothing of single customers is kept.
type prognosis struct {
	g      *gather      // what is common: state, windows, formats
	asOf   contract.Day // the end of the window of the publication, which may be this one
	before contract.Day // of a change: the end of the window that it is from
	buyers []buyer      // who bought before the publication, in the order of priority
	since  []buyer      // who came since
	next   int          // number of customers at which it is looked whether enough was read
	gates  btyd.Gates
}

func newPrognosis(c *claim, st *State, at metric.Span, first contract.Day, size int64, gates btyd.Gates) (*prognosis, error) {
	c.form = form{figure: quotient{1}}
	g := &gather{c: c, st: st, at: at, size: size, strata: strata{}, news: at.Until > st.Seen}
	g.ordered()
	var err error
	if g.raw, err = validity.NewMoments(2); err != nil {
		return nil, err
	}
	value := at
	if st.Standing != nil && !g.republishes() {
		value = st.At
	}
	return &prognosis{g: g, asOf: value.Until, before: value.From, gates: gates, next: 400}, nil
}

func (p *prognosis) output() string { return p.g.c.order.Metric.Model.Output }

func (p *prognosis) finish() error { p.g.all = true; return nil }

// add takes in the next customer who bought anything.
func (p *prognosis) add(v *view) error {
	p.g.read++
	if len(v.whole.Days) == 0 || v.whole.Days[0].Day >= p.g.at.Until {
		return nil
	}
	b := buyer{days: v.whole.Days, row: row{first: v.whole.Days[0].Day, counts: true}}
	for side := range p.sides() {
		_, _, b.in[side] = p.g.c.programs[p.g.c.program(side)].Contribution(v.whole, metric.Span{From: "0001-01-01", Until: p.asOf})
	}
	if b.in == [2]bool{} {
		return nil
	}
	p.g.origins(&b.row, v)
	summary, ok := summarise(b.days, p.asOf)
	if !ok {
		p.since = append(p.since, b)
		return nil
	}
	b.summary = summary
	p.buyers = append(p.buyers, b)
	return p.g.raw.Add([]int64{0, 1})
}

// summarise is the history before a day; false if there is none.
func summarise(days []fact.CustomerDay, until contract.Day) (btyd.Summary, bool) {
	n := 0
	var revenue int64
	for n < len(days) && days[n].Day < until {
		revenue += days[n].Revenue
		n++
	}
	if n == 0 {
		return btyd.Summary{}, false
	}
	weeks := func(from, to contract.Day) float64 { return float64(to.Sub(from)) / 7 }
	s := btyd.Summary{X: float64(n - 1), Tx: weeks(days[0].Day, days[n-1].Day), T: weeks(days[0].Day, until.Add(-1)), Count: 1}
	if n > 1 {
		s.Spend = max(0, float64(revenue-days[0].Revenue)/s.X)
	}
	return s, true
}

// fitted is a model's figure for every customer it was fitted on.
type fitted struct {
	value    validity.Estimate
	psi      []float64
	expected []float64
	against  []float64 // of a difference, what is expected of those whom it is from
	model    *contract.ModelFit
	at       func(weeks float64) (btyd.Linearisation, error)
	base     float64 // of a difference, what it is from
}

// level takes a tolerance that was ordered as a share of what a difference is from.
func (p *prognosis) level(f *fitted) {
	if p.g.st.Standing == nil || p.g.republishes() {
		p.g.c.levelled(f.base)
	}
}

// fit fits the model to some customers. It fails with model_not_identified as the models do.
func (p *prognosis) fit(summaries []btyd.Summary) (*fitted, error) {
	population, err := btyd.NewPopulation(summaries)
	if err != nil {
		return nil, err
	}
	forecast, model, err := p.forecaster(population)
	if err != nil {
		return nil, err
	}
	spec := p.g.c.order.Metric.Model
	whole, err := forecast(btyd.Horizon{Weeks: float64(max(1, spec.Horizon)), Discount: btyd.Yearly(spec.Discount)})
	if err != nil {
		return nil, err
	}
	f := &fitted{model: model, at: func(weeks float64) (btyd.Linearisation, error) {
		x, err := forecast(btyd.Horizon{Weeks: weeks})
		if err != nil {
			return btyd.Linearisation{}, err
		}
		return x.Linearise(summaries)
	}}
	l, err := whole.Linearise(summaries)
	if err != nil {
		return nil, err
	}
	f.expected = l.Expected
	if f.psi, err = validity.ModelInfluence(l.Expected, l.Grad, l.Information, l.Scores); err != nil {
		return nil, err
	}
	f.value, err = validity.FromInfluences(whole.Mean().Mean, f.psi, p.g.of(), p.output() == outputAlive)
	return f, err
}

// forecaster fits the models and returns what reads a figure off them.
func (p *prognosis) forecaster(population *btyd.Population) (func(btyd.Horizon) (*btyd.Forecast, error), *contract.ModelFit, error) {
	describe := func(name string, ll float64, parameters map[string]float64) *contract.ModelFit {
		return &contract.ModelFit{Name: name, Parameters: parameters, LogLikelihood: ll, Customers: int64(population.Customers()),
			Repeaters: int64(population.Repeaters()), Weeks: population.Weeks()}
	}
	name := p.g.c.order.Metric.Model.Name
	if p.output() == outputAlive {
		fit, err := btyd.FitMBGNBD(population, p.gates)
		if err != nil {
			return nil, nil, err
		}
		m := fit.Model
		return func(btyd.Horizon) (*btyd.Forecast, error) { return btyd.ForecastAlive(population, fit) },
			describe(name, fit.LogLikelihood, map[string]float64{"r": m.R, "alpha": m.Alpha, "a": m.A, "b": m.B}), nil
	}
	fit, err := btyd.FitBGNBD(population, p.gates)
	if err != nil {
		return nil, nil, err
	}
	m := fit.Model
	parameters := map[string]float64{"r": m.R, "alpha": m.Alpha, "a": m.A, "b": m.B}
	if p.output() == outputPurchases {
		return func(h btyd.Horizon) (*btyd.Forecast, error) { return btyd.ForecastPurchases(population, fit, h.Weeks) },
			describe(name, fit.LogLikelihood, parameters), nil
	}
	spend, err := btyd.FitGammaGamma(population, p.gates)
	if err != nil {
		return nil, nil, err
	}
	parameters["p"], parameters["q"], parameters["gamma"] = spend.Model.P, spend.Model.Q, spend.Model.Gamma
	parameters["spend_log_likelihood"] = spend.LogLikelihood
	return func(h btyd.Horizon) (*btyd.Forecast, error) { return btyd.ForecastValue(population, fit, spend, h) },
		describe(name, fit.LogLikelihood, parameters), nil
}

// enough reports whether the figure is known well enough, at numbers of customers that grow by a third: each is a fit.
func (p *prognosis) enough(most int64) bool {
	switch {
	case p.g.all || p.g.size <= readWhole:
		return p.g.all
	case p.g.read >= most:
		p.g.stopped = true
		return true
	case len(p.buyers) < p.next || !p.g.strata.enough(p.g.read):
		return false
	}
	part := 2.
	if s := p.g.st.Standing; s != nil {
		if p.g.raw.N() < s.N {
			return false
		}
		part = 4
	}
	p.next = len(p.buyers) * 4 / 3
	f, err := p.figure(wholeDays)
	if err != nil {
		return false
	}
	p.level(f)
	return f.value.Withheld() == validity.Released && f.value.Newcomers(validity.Holding()) <= p.g.c.tolerance.Band(f.value.Value)/part
}

// conclude makes the look of what was gathered.
func (p *prognosis) conclude(now time.Time, unparsed float64) (*look, error) {
	g := p.g
	l := g.open()
	f, err := p.figure(wholeDays)
	switch {
	case err != nil && !refused(err):
		return nil, err
	case l.st.Standing == nil || g.republishes():
		err = p.publish(l, f, err, now)
	case err != nil:
		return l, p.examine(l, nil, unparsed)
	}
	if err != nil || l.st.Standing == nil || l.silent {
		return l, err
	}
	l.now, l.model = f.value, f.model
	return l, p.examine(l, f, unparsed)
}

// publish publishes the claim if the model could be fitted and its figure is known well enough, or says why not. Of a claim that
// cannot be made anew nothing new is told: what was gathered is of another day than that of its publication.
func (p *prognosis) publish(l *look, f *fitted, why error, now time.Time) error {
	g := p.g
	if why == nil {
		p.level(f)
		if err := g.state(l, f.value, nil, now); err != nil {
			return err
		}
	} else if l.st.Standing == nil {
		l.withheld = &contract.Reason{Code: fault.CodeOf(why), Item: g.c.order.Metric.Model.Name}
		if len(p.buyers) == 0 {
			l.withheld.Item = string(g.c.order.Metric.ID)
		}
	}
	g.ordered()
	l.silent = l.st.Standing != nil && l.st.At != g.at
	return nil
}

// refused reports whether the data do not allow a fit, so that there is no figure and no fault.
func refused(err error) bool {
	code := fault.CodeOf(err)
	return err != nil && (code == fault.ModelNotIdentified || code == fault.NoData || code == fault.InvalidItem)
}

// renew moves the day up to which customers are known: who came since is a customer like all others.
func (p *prognosis) renew(until contract.Day) {
	p.asOf = until
	all := slices.Concat(p.buyers, p.since)
	p.buyers, p.since = nil, nil
	for _, b := range all {
		if s, ok := summarise(b.days, until); ok {
			b.summary = s
			p.buyers = append(p.buyers, b)
		}
	}
}

// examine asks the five questions; f is nil where there is no figure any more.
func (p *prognosis) examine(l *look, f *fitted, unparsed float64) error {
	g := p.g
	none := validity.Finding{Verdict: contract.NotEnoughData, Reason: validity.Reason(fault.ModelNotIdentified)}
	if f == nil {
		l.judge(g, []validity.Finding{none, none, none, none, none})
		return nil
	}
	if err := p.watchOn(l, f); err != nil {
		return err
	}
	volume := l.st.Standing.Volume(l.now, 0)
	variety, err := p.variety(l, f, unparsed)
	if err != nil {
		return err
	}
	tail, err := p.tail(l, f)
	if err != nil {
		return err
	}
	veracity, err := p.veracity(l, f)
	if err != nil {
		return err
	}
	l.judge(g, []validity.Finding{volume, l.velocity(), variety, validity.Gravest(tail, l.spread()), veracity})
	l.half = l.now.Today(validity.Holding())
	l.looks = []contract.Look{{N: l.now.N, Value: l.now.Value, HalfWidth: finite(l.half)}}
	l.smallest = p.smallest()
	return nil
}

// smallest is how many customers are in the smallest group that can be read from what is told: of each fit those who came again and
// those who did not, and those who are in one group of a difference only.
func (p *prognosis) smallest() int64 {
	all := int64(len(p.buyers))
	least := all
	told := func(n int64) {
		if n > 0 {
			least = min(least, n)
		}
	}
	for side := range p.sides() {
		n, repeaters := int64(0), int64(0)
		for i := range p.buyers {
			if s, in := p.known(side, &p.buyers[i], wholeDays); in {
				n++
				if s.X > 0 {
					repeaters++
				}
			}
		}
		told(n)
		told(repeaters)
		told(n - repeaters)
		if !p.g.c.pinned() { // else the others came since
			told(all - n)
		}
	}
	return least
}

// left fits the model again to what is left of the customers, and returns how far that moves the figure.
func (p *prognosis) left(f *fitted, k keep) (validity.Estimate, error) {
	part, err := p.figure(func(b *buyer) []fact.CustomerDay {
		switch {
		case k.customer != nil && k.customer(&b.row), k.fact != nil && b.row.mixed == nil && k.fact(p.g.only(&b.row)):
			return b.days
		case k.fact != nil && b.row.mixed != nil:
			return b.row.mixed.with(k.fact).Days
		}
		return nil
	})
	if refused(err) {
		return validity.Estimate{Value: math.NaN()}, nil
	}
	if err != nil {
		return validity.Estimate{}, err
	}
	all, unit := f.value.Value, p.g.unit(f.value.Value)
	times := 1.
	if !p.g.c.tolerance.Absolute {
		times = part.value.Value / all
	}
	psi := make([]float64, len(p.buyers))
	for i := range psi {
		psi[i] = (part.psi[i] - times*f.psi[i]) / unit
	}
	return validity.FromInfluences((part.value.Value-all)/unit, psi, p.g.of(), f.value.Bounded)
}

func (p *prognosis) variety(l *look, f *fitted, unparsed float64) (validity.Finding, error) {
	rows := make([]*row, len(p.buyers))
	for i := range p.buyers {
		rows[i] = &p.buyers[i].row
	}
	d, err := p.g.divide(rows)
	if err != nil {
		return validity.Finding{}, err
	}
	return p.g.varied(l, d, unparsed, 0, func(k keep) (validity.Estimate, error) { return p.left(f, k) },
		func(group uint64) float64 {
			return p.share(func(r *row) float64 { return float64(ones(d.row(r)&group)) / float64(max(1, ones(d.row(r)))) })
		})
}

// share is the part of past purchases, or money, that some of the customers' rows hold.
func (p *prognosis) share(of func(*row) float64) float64 {
	var all, part float64
	for i := range p.buyers {
		w := 0.
		for _, d := range p.buyers[i].days {
			if d.Day < p.asOf {
				w += p.weight(&d)
			}
		}
		all += w
		part += w * of(&p.buyers[i].row)
	}
	if all == 0 {
		return 0
	}
	return part / all
}

// weight is what a day adds to what the model foretells: a purchase, or its money.
func (p *prognosis) weight(d *fact.CustomerDay) float64 {
	if p.output() == outputValue {
		return float64(d.Revenue)
	}
	return 1
}

func (p *prognosis) tail(l *look, f *fitted) (validity.Finding, error) {
	var groups [][]validity.Term
	for side, expected := range [][]float64{f.expected, f.against} {
		if side == p.sides() {
			break
		}
		terms := make([]validity.Term, len(expected))
		for i, e := range expected {
			units, err := validity.Fixed(e)
			if err != nil {
				return validity.Finding{}, err
			}
			terms[i] = validity.Term{Num: units, Den: 1 << 20}
		}
		groups = append(groups, terms)
	}
	return p.g.tailed(l, groups, 0), nil
}

func (p *prognosis) veracity(l *look, f *fitted) (validity.Finding, error) {
	customers := int64(0)
	for i := range p.buyers {
		if p.buyers[i].row.unknown {
			customers++
		}
	}
	e := validity.Estimate{N: f.value.N, Of: f.value.Of, Bounded: f.value.Bounded}
	if customers > 0 {
		var err error
		if e, err = p.left(f, facts(func(o origin) bool { return o.trust == verified })); err != nil {
			return validity.Finding{}, err
		}
	}
	unknown := p.share(func(r *row) float64 {
		switch {
		case r.unknown && r.known:
			return .5
		case r.unknown:
			return 1
		}
		return 0
	})
	return p.g.verified(l, e, unknown, customers, 0), nil
}
