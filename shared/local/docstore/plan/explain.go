package plan

import (
	"encoding/hex"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Explain describes the plan as MongoDB's queryPlanner section does. winning are its [Plan.Stages], or those with what
// uses them on top.
func (p *Plan) Explain(namespace string, winning bson.Raw) bson.Raw {
	rejected := bsonx.NewArray(128)
	for _, a := range p.rejected {
		rejected.Append(bsonx.Document(p.fetch(a)))
	}
	filter := p.Query.Raw
	if filter == nil {
		filter = bsonx.NewDoc(0).Raw()
	}
	return bsonx.NewDoc(512).Append("namespace", bsonx.String(namespace)).Append("parsedQuery", bsonx.Document(filter)).
		Append("indexFilterSet", bsonx.Bool(false)).Append("winningPlan", bsonx.Document(winning)).
		Append("rejectedPlans", rejected.Value()).Raw()
}

// Stages describes the plan as nested stages, outermost first.
func (p *Plan) Stages() bson.Raw {
	if p.Collection == nil {
		return bsonx.NewDoc(32).Append("stage", bsonx.String("EOF")).Raw()
	}
	var inner bson.Raw
	if len(p.branches) == 1 {
		inner = p.fetch(p.branches[0])
	} else {
		inputs := bsonx.NewArray(128)
		for _, a := range p.branches {
			inputs.Append(bsonx.Document(p.fetch(a)))
		}
		inner = bsonx.NewDoc(256).Append("stage", bsonx.String("OR")).Append("inputStages", inputs.Value()).Raw()
	}
	if p.sortInMemory {
		pattern := bsonx.NewDoc(32)
		for _, f := range p.Query.Sort {
			pattern.Append(f.Path, direction(f.Desc))
		}
		inner = bsonx.NewDoc(256).Append("stage", bsonx.String("SORT")).Append("sortPattern", pattern.Value()).Append("inputStage", bsonx.Document(inner)).Raw()
	}
	if p.Query.Skip > 0 {
		inner = bsonx.NewDoc(256).Append("stage", bsonx.String("SKIP")).Append("skipAmount", bsonx.Int(p.Query.Skip)).Append("inputStage", bsonx.Document(inner)).Raw()
	}
	if p.Query.Limit > 0 {
		inner = bsonx.NewDoc(256).Append("stage", bsonx.String("LIMIT")).Append("limitAmount", bsonx.Int(p.Query.Limit)).Append("inputStage", bsonx.Document(inner)).Raw()
	}
	if p.Query.ReturnKey {
		inner = bsonx.NewDoc(256).Append("stage", bsonx.String("RETURN_KEY")).Append("inputStage", bsonx.Document(inner)).Raw()
	}
	return inner
}

func direction(desc bool) bson.RawValue {
	if desc {
		return bsonx.Int32(-1)
	}
	return bsonx.Int32(1)
}

// fetch describes one access: a collection scan, a lookup by _id, or an index scan, with the documents fetched unless their
// keys are all that is wanted.
func (p *Plan) fetch(a access) bson.Raw {
	way := "forward"
	if a.reverse {
		way = "backward"
	}
	if a.index == nil && a.full {
		return bsonx.NewDoc(64).Append("stage", bsonx.String("COLLSCAN")).Append("direction", bsonx.String(way)).Raw()
	}
	scan := bsonx.NewDoc(256).Append("stage", bsonx.String(p.scanName(a)))
	if a.index == nil {
		scan.Append("keyPattern", bsonx.NewDoc(16).Append("_id", bsonx.Int32(1)).Value()).Append("indexName", bsonx.String("_id_")).
			Append("isMultiKey", bsonx.Bool(false)).Append("isUnique", bsonx.Bool(true))
	} else {
		scan.Append("keyPattern", bsonx.Lookup(a.index.Spec, "key")).Append("indexName", bsonx.String(a.index.Name)).
			Append("isMultiKey", bsonx.Bool(a.index.Multikey())).Append("isUnique", bsonx.Bool(a.index.Unique)).
			Append("isSparse", bsonx.Bool(a.index.Sparse)).Append("isPartial", bsonx.Bool(a.index.Partial != nil))
	}
	scan.Append("direction", bsonx.String(way)).Append("indexBounds", p.showBounds(a))
	if p.covered(a) {
		return scan.Raw()
	}
	return bsonx.NewDoc(512).Append("stage", bsonx.String("FETCH")).Append("inputStage", scan.Value()).Raw()
}

// scanName is what MongoDB calls the reading of an index: another name where only keys are counted.
func (p *Plan) scanName(a access) string {
	if p.covered(a) {
		return "COUNT_SCAN"
	}
	return "IXSCAN"
}

// showBounds shows the ends that min and max name, or lists the intervals of each bound field as hexadecimal key bytes, which is
// what the scan compares.
func (p *Plan) showBounds(a access) bson.RawValue {
	if q := p.Query; len(q.Min) > 0 || len(q.Max) > 0 {
		ends := bsonx.NewDoc(64)
		if len(q.Min) > 0 {
			ends.Append("startKey", bsonx.Document(q.Min)).Append("startKeyInclusive", bsonx.Bool(true))
		}
		if len(q.Max) > 0 {
			ends.Append("endKey", bsonx.Document(q.Max)).Append("endKeyInclusive", bsonx.Bool(false))
		}
		return ends.Value()
	}
	out := bsonx.NewDoc(128)
	for i, f := range a.fields {
		list := bsonx.NewArray(64)
		if i >= len(a.bounds) {
			list.Append(bsonx.String("[MinKey, MaxKey]"))
		} else {
			for _, iv := range a.bounds[i] {
				list.Append(bsonx.String("[" + hex.EncodeToString(iv.Start) + ", " + hex.EncodeToString(iv.End) + ")"))
			}
		}
		out.Append(f.Path, list.Value())
	}
	return out.Value()
}
