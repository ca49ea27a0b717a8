// Package nextpurchase owns when a customer is likely to buy again: the chance within a horizon, and, if they do, the
// day by which half of such customers have, with an 80 % interval. Customers are predicted from their own gaps, shrunk to
// the population's, under MBG/CNBD-k: MBG/NBD with gaps that may be regular. Where the data do not carry that law they are
// predicted from MBG/NBD.
//
// It is pure arithmetic: it reads no store and no clock. What a customer and a purchase are is decided by the caller.
// Every result depends only on the set of customers, never on their order. Times are in days to the outside, in weeks
// within.
package nextpurchase
