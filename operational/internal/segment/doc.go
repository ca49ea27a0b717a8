// Package segment owns groups of customers that are found in the data rather than written as rules: k-means over what
// they bought, the number of groups suggested by how well they stand apart, and each group said in plain words with its
// numbers. Segments by rule are the metric engine's; the named ones by scores are those of package rfm.
//
// It is pure arithmetic: it reads no store and no clock, and random choices come from a seed. Every result depends only on
// the set of customers, never on their order. A group is never smaller than the least size that may be shown.
package segment
