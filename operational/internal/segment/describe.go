package segment

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/strata-crm/strata/operational/internal/purchase"
)

// Phrases are told of traits in which a group is at least so many standard deviations from all customers, and at most so
// many of them.
const (
	worthTelling = .5
	mostPhrases  = 3
)

func (g *Grouping) describe(ordered []Customer, points [][]float64, s Settings) {
	side := g.found.sides(points)
	g.Members = make([]Member, len(ordered))
	members := make([][]int, len(g.found.centres))
	everybody := make([]int, len(ordered))
	for i, c := range ordered {
		g.Members[i] = Member{c.ID, side[i]}
		members[side[i]] = append(members[side[i]], i)
		everybody[i] = i
	}
	mean, typical := make([]float64, len(s.Traits)), make([]float64, len(s.Traits)) // of everybody
	for j, t := range s.Traits {
		mean[j], typical[j] = meanOf(points, everybody, j), sayings[t].typical(ordered, everybody, j)
	}
	for _, m := range members {
		group := Group{Customers: len(m), Share: float64(len(m)) / float64(len(ordered))}
		for j, t := range s.Traits {
			if differs := meanOf(points, m, j) - mean[j]; math.Abs(differs) >= worthTelling {
				say := sayings[t]
				group.Phrases = append(group.Phrases, say.phrase(t, differs, say.typical(ordered, m, j), typical[j], s.Currency))
			}
		}
		slices.SortStableFunc(group.Phrases, func(a, b Phrase) int { return cmp.Compare(math.Abs(b.Differs), math.Abs(a.Differs)) })
		group.Phrases = group.Phrases[:min(len(group.Phrases), mostPhrases)]
		group.Text = text(group.Phrases)
		g.Groups = append(g.Groups, group)
	}
}

func text(phrases []Phrase) string {
	if len(phrases) == 0 {
		return "like all customers"
	}
	words := make([]string, len(phrases))
	for i, p := range phrases {
		words[i] = p.Words
	}
	return strings.Join(words, "; ")
}

func meanOf(points [][]float64, members []int, j int) float64 {
	sum := 0.0
	for _, i := range members {
		sum += points[i][j]
	}
	return sum / float64(len(members))
}

// typical is the number that is told of the members' trait j.
func (s saying) typical(customers []Customer, members []int, j int) float64 {
	values := make([]float64, len(members))
	for n, i := range members {
		values[n] = customers[i].Values[j]
	}
	if s.mean {
		return stat.Mean(values, nil)
	}
	return purchase.Median(values)
}
