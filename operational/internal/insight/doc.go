// Package insight examines the claims that directives order: it reads customers in their random order, publishes a value as
// soon as it is known well enough, and asks the five questions of it again at every look, for as long as the directive
// lasts. The statistics are package validity's; what a customer adds to a metric is package metric's; egress alone sends
// anything up, and decides nothing here.
//
// A look is made of a window when it closes, of one after the other, and again when facts arrived late. What it finds
// depends on the facts, on the windows closed and on what was found before, never on the order in which events arrived, on
// partitions, replays or restarts. Nothing that is stored between looks tells of a customer: what later looks need of single
// customers is made again from their facts, so that who was erased is gone.
package insight
