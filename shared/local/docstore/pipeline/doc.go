// Package pipeline compiles and runs MongoDB's aggregation pipelines as a chain of small streaming iterators over raw BSON.
//
// It owns the stages, accumulators and window functions. It does not own collections: it reads its input from an Iterator and
// other collections through Source and Sink, which the engine supplies. Blocking stages bound their memory: $sort
// and $group go on disk where they may (package spill); the others, and those two where they may not, answer MongoDB's
// errors 292 and 146 when the bound is exceeded.
package pipeline
