// Package btyd owns the probability models of a non-contractual customer base ("buy till you die"): BG/NBD, MBG/NBD
// and Pareto/NBD for how often customers come back and whether they still do, BG/BB for the same where chances to buy
// come one a period, Gamma-Gamma for what they spend. On them are built:
//
//   - [Predict]: P(alive), expected purchases with their interval, and the next purchase of one customer.
//   - [Forecast]: a figure for each customer (purchases, P(alive), value over a [Horizon] with a [Discount]) and its mean,
//     whose standard error includes that of the parameters; [Forecast.Linearise] is for the validity package.
//   - [HoldOut] and [InSample]: what a model expected beside what came.
//
// It is pure arithmetic: it reads no files, no clock and no configuration, and does not decide what a purchase or a
// customer is. The caller turns orders into one [Summary] per customer ([Summarise] does it from days): same-day orders count as one purchase, time is
// in weeks (days/7, unrounded).
//
// Every result depends only on the multiset of customers, never on their order: a [Population] sorts and merges them
// first, and all sums run over that order. On one machine architecture equal customers give equal bits.
//
// Parameters are found by maximum likelihood over their logarithms, with analytic gradients, from several starts; on
// many histories the starts are compared on a part of them first. A fit that the data cannot carry (too short a
// history, too few repeaters, an information matrix without an inverse) is refused with code model_not_identified;
// no model is returned then.
package btyd
