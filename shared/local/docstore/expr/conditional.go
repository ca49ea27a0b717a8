package expr

import "go.mongodb.org/mongo-driver/v2/bson"

func parseLiteral(_ string, arg bson.RawValue, _ *Scope) (Expr, error) { return constant{arg}, nil }
