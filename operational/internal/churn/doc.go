// Package churn owns two answers to "has this customer left, or will they": a rule over purchase days, for customers who
// are bound by no contract, and a logistic regression over attributes, for customers of whom it was seen whether they
// left. Both give the reason for every customer. The package also owns the measures by which such answers are judged.
//
// It is pure arithmetic: it reads no store and no clock, and random choices come from a seed. What a customer, an order,
// an attribute and leaving are is decided by the caller.
//
// Every result depends only on the set of customers, never on their order: they are sorted by id first. What the data
// cannot carry is refused with code model_not_identified.
package churn
