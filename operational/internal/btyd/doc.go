// Package btyd owns the probability models of a non-contractual customer base ("buy till you die"): BG/NBD, MBG/NBD
// and Pareto/NBD for how often customers come back and whether they still do, BG/BB for the same where chances to buy
// come one a period, Gamma-Gamma for what they spend, and the two published figures built on them, the residual value
// of a customer and the share of customers alive.
//
// It is pure arithmetic: it reads no files, no clock and no configuration, and does not decide what a purchase or a
// customer is. The caller turns orders into one [Summary] per customer: same-day orders count as one purchase, time is
// in weeks (days/7, unrounded).
//
// Every result depends only on the multiset of customers, never on their order: a [Population] sorts and merges them
// first, and all sums run over that order. On one machine architecture equal customers give equal bits.
//
// Parameters are found by maximum likelihood over their logarithms. A fit that the data cannot carry (too short a
// history, too few repeaters, an information matrix without an inverse) is refused with code model_not_identified;
// no model is returned then.
package btyd
