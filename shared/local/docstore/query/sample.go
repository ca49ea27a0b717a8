package query

import (
	"math/rand/v2"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// sample is $sampleRate: it lets each document through with the probability rate.
type sample struct{ rate float64 }

func parseSample(v bson.RawValue) (node, error) {
	if !bsonx.IsNumber(v) {
		return nil, bad("argument to $sampleRate must be a numeric type")
	}
	f, _ := bsonx.FloatOf(v)
	if !(f >= 0 && f <= 1) {
		return nil, bad("numeric argument to $sampleRate must be in [0, 1]")
	}
	return sample{f}, nil
}

func (s sample) match(env *expr.Env, _ bson.Raw) (bool, error) {
	draw := rand.Float64
	if env != nil && env.Rand != nil {
		draw = env.Rand
	}
	return draw() < s.rate, nil
}

func (s sample) locate(env *expr.Env, doc bson.Raw) (bool, int, error) {
	ok, err := s.match(env, doc)
	return ok, -1, err
}
