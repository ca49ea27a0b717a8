// Package rfm owns recency, frequency and monetary value of customers (Hughes, Strategic Database Marketing, 1994):
// their scores from 1 to 5, by quintiles of the customers or by fixed thresholds, and the named segments that the scores
// put customers in. It is pure arithmetic: it reads no store and no clock, and predicts nothing. What a customer, an
// order and the as-of day are is decided by the caller.
//
// Every result depends only on the set of customers, never on their order; equal figures get equal scores.
package rfm
