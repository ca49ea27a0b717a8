// Package plan decides how to find the documents of a query, finds them, and explains both. It owns the choice among
// indexes, index bounds, and sorting; it does not own filters (package query), storage (package engine) nor
// projections.
package plan
