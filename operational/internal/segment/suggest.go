package segment

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/shared/fault"
)

// Name and version of the model.
const (
	Name    = "segment_kmeans"
	Version = "1.0.0"
)

// Candidate is a number of groups that was tried.
type Candidate struct {
	K          int
	Silhouette float64 // mean
	StdErr     float64
	Smallest   int // customers in the smallest group
}

// Group is one of the groups.
type Group struct {
	Customers int
	Share     float64  // of all customers
	Phrases   []Phrase // at most three, the greatest difference first
	Text      string   // the phrases as one line
}

// Grouping is a suggestion of groups. It is immutable and safe for concurrent use.
type Grouping struct {
	Model      predict.Model // with the measures silhouette and adjusted_rand
	Candidates []Candidate   // all numbers tried
	Groups     []Group       // the largest first
	Members    []Member      // by customer
	scale      scale
	found      clustering
}

// Member is the group that a customer is in.
type Member struct {
	Customer string
	Group    int // index in Groups
}

// Suggest finds groups of customers who are alike in the settings' traits. The number of groups is the smallest whose mean
// silhouette is within one standard error of the highest, among those that leave no group under MinSize.
//
// The hold-out asks whether others would have found the same: the customers are halved by a hash of their ids, centres are
// fitted to each half, and adjusted_rand says how far the two agree on the second half's customers: 1 if they do, 0 as by
// chance.
//
// It fails (Invalid) on settings or customers that cannot be, and refuses with model_not_identified (Conflict) when there are
// too few customers or the groups do not pass the gates.
func Suggest(customers []Customer, s Settings) (*Grouping, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	ordered, err := sorted(customers, len(s.Traits))
	if err != nil {
		return nil, err
	}
	if len(ordered) < max(1, s.MinCustomers) {
		return nil, notIdentified("%d customers and groups need %d: wait for more or widen the selection", len(ordered), max(1, s.MinCustomers))
	}
	g := &Grouping{scale: newScale(ordered, len(s.Traits))}
	points := g.scale.points(ordered)
	ids := make([]string, len(ordered))
	for i, c := range ordered {
		ids[i] = c.ID
	}
	order := predict.Shuffled(ids)
	chosen, err := g.choose(points, order, s)
	if err != nil {
		return nil, err
	}
	agreement, others := halves(points, order, chosen.K, s)
	if agreement < s.MinAgreement {
		return nil, notIdentified("half of the customers makes other groups than the other half (agreement %.2f, needs %.2f): these customers do "+
			"not fall into groups", agreement, s.MinAgreement)
	}
	measures := map[string]float64{"adjusted_rand": agreement, "silhouette": chosen.Silhouette}
	held := predict.HoldOut{Design: predict.OtherHalf, Customers: others, Measures: measures}
	g.Model = predict.Model{Name: Name, Version: Version, N: len(ordered), HoldOut: held}
	g.found = g.bySize(points, chosen.clustering)
	g.describe(ordered, points, s)
	return g, nil
}

func notIdentified(format string, args ...any) error {
	return fault.New(fault.Conflict, fault.ModelNotIdentified, format, args...)
}

func pick(points [][]float64, places []int) [][]float64 {
	out := make([][]float64, len(places))
	for i, at := range places {
		out[i] = points[at]
	}
	return out
}

func (c clustering) sides(points [][]float64) []int {
	out := make([]int, len(points))
	for i, p := range points {
		out[i], _ = c.nearest(p)
	}
	return out
}

type tried struct {
	Candidate
	clustering clustering
}

func (g *Grouping) choose(points [][]float64, order []int, s Settings) (tried, error) {
	sample := pick(points, order[:min(len(order), s.MaxFitted)])
	compared := sample[:min(len(sample), s.MaxCompared)]
	var eligible []tried
	for k := s.MinK; k <= s.MaxK && k <= different(sample, s.MaxK); k++ {
		t := tried{Candidate{K: k}, kmeans(sample, k, s.Restarts, s.Seed)}
		t.Smallest = slices.Min(counts(t.clustering.sides(points), k))
		t.Silhouette, t.StdErr = silhouette(compared, t.clustering.sides(compared), k)
		g.Candidates = append(g.Candidates, t.Candidate)
		if t.Smallest >= s.MinSize {
			eligible = append(eligible, t)
		}
	}
	if len(eligible) == 0 {
		return tried{}, notIdentified("no number of groups from %d to %d leaves %d customers in each: widen the selection", s.MinK, s.MaxK, s.MinSize)
	}
	best := slices.MaxFunc(eligible, func(a, b tried) int { return cmp.Compare(a.Silhouette, b.Silhouette) })
	if best.Silhouette <= s.MinSilhouette {
		return tried{}, notIdentified("the best groups have a silhouette of %.2f and need more than %.2f: these customers do not fall into groups",
			best.Silhouette, s.MinSilhouette)
	}
	at := slices.IndexFunc(eligible, func(t tried) bool { return t.Silhouette >= best.Silhouette-best.StdErr })
	return eligible[at], nil
}

// different counts the distinct points, up to most.
func different(points [][]float64, most int) int {
	seen := map[string]bool{}
	for _, p := range points {
		if seen[fmt.Sprint(p)] = true; len(seen) == most {
			break
		}
	}
	return len(seen)
}

func counts(side []int, k int) []int {
	out := make([]int, k)
	for _, s := range side {
		out[s]++
	}
	return out
}

// bySize puts the centres in the order of their customers, most first; equal ones by their coordinates.
func (g *Grouping) bySize(points [][]float64, c clustering) clustering {
	size := counts(c.sides(points), len(c.centres))
	order := make([]int, len(size))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(size[b], size[a]), slices.Compare(c.centres[a], c.centres[b]))
	})
	return clustering{pick(c.centres, order), c.loss}
}

// Assign is the group that a customer with these traits belongs to, an index in Groups. It fails (Invalid) on traits that
// are not those of the settings or not finite.
func (g *Grouping) Assign(c Customer) (int, error) {
	if _, err := sorted([]Customer{c}, len(g.scale.mean)); err != nil {
		return 0, err
	}
	at, _ := g.found.nearest(g.scale.point(c.Values))
	return at, nil
}

// halves fits k centres on each half of the customers and returns how far they agree on the second, and its size.
func halves(points [][]float64, order []int, k int, s Settings) (agreement float64, customers int) {
	first, second := pick(points, order[:len(order)/2]), pick(points, order[len(order)/2:])
	fit := func(half [][]float64) clustering {
		return kmeans(half[:min(len(half), s.MaxFitted)], k, s.Restarts, s.Seed)
	}
	return adjustedRand(fit(first).sides(second), fit(second).sides(second)), len(second)
}
