// Package expr compiles and evaluates MongoDB's aggregation expressions on raw BSON.
//
// It owns the syntax (field paths, variables, operators, literals), the numeric, string, date, array, set and conversion
// semantics and their error codes. It does not own stages, accumulators or projections: packages pipeline, project, query and
// update call it.
//
// A value is a bson.RawValue; the zero RawValue (Type 0) is a missing value. Arithmetic on Decimal128 answers an explicit
// "unsupported" error (see ErrUnsupported); storing, comparing, ordering and grouping Decimal128 works.
package expr
