// Package survival owns how long things last while some still do: Kaplan-Meier curves with their limits, medians and
// restricted means, life tables, the difference between two groups, and the retention grid of cohorts.
//
// It is pure arithmetic: it reads no files, no clock and no configuration, and decides neither what ends a customer nor
// which group a customer is in. Small groups are for the caller to suppress.
//
// Results depend only on the multiset of what is given, never on its order. Limits are for 95 % and for one look; what
// is looked at for ever belongs to the validity package.
package survival
