// Package validity owns the statistics that say whether a business insight is still valid: how many customers must be
// read before a number may be shown, and the five verdicts (volume, velocity, variety, variability, veracity) that may
// be asked again for ever without an error rate that grows with the number of looks.
//
// It is pure arithmetic: no files, no database, no clock, no configuration. It does not decide which customers there
// are, which facts are theirs, when a window closes, or what policy makes of a verdict; a service around it does. What
// must survive a restart ([Moments], [Detector], [Velocity], [Spread], [Standing]) is made of exported fields or has a binary form.
//
// The pieces, from the bottom up:
//
//   - [Level], [Estimate]: asymptotic confidence sequences over customers, and the guard before anything is released.
//   - [Detector]: the e-detector for closed windows; [AlarmList]: which of many insights to raise an alarm for.
//   - [Moments], [Quotient], [Linear], [Stratum]: exact sums, and the influence of one customer on a value.
//   - [Function]: another function of sums, by the delta method; [RankValue], [QuantileRange]: a percentile as a rank.
//   - [Kind], [Term]: what one customer contributes to each kind of insight.
//   - [Key], [Priority], [Extraction]: the keyed random order, and reading in it until the interval is narrow enough.
//   - [Volume], [Velocity], [Variety], [Tail] and [Spread], [Veracity]: the verdicts; [Standing]: a publication, which
//     latches failures and counts re-publications.
//
// One error budget runs through it: a true statement is called false ("fails") by any one of the five with a
// probability of at most 1 % over all looks together, and a statement that is false is called true ("holds") at 5 %.
// The confidence sequences are asymptotic: below 400 customers (100 for bounded values), or while one customer holds
// more than 5 % of the variance, nothing is released, because there they would promise too much.
package validity
