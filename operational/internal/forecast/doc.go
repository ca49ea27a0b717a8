// Package forecast owns what a metric's series, values by equal windows, is expected to be in the windows to come: a
// choice among the seasonal naive method and the forms of exponential smoothing, prediction intervals, and what a
// backtest says of both.
//
// It is pure arithmetic: it reads no files, no clock and no configuration. It does not decide which windows are closed,
// what the season of a grain is, or whether a forecast may be shown. The same series gives the same bits on one machine
// architecture; nothing is drawn at random.
//
// The methods ([Method]) are the state space models of Hyndman, Koehler, Ord & Snyder (2008), Forecasting with
// Exponential Smoothing, fitted by maximum likelihood, start values included. They are compared by MASE in a rolling-origin
// backtest ([Backtest]), in which each is refitted at each origin and never sees what it forecasts; the simplest that is
// within one standard error of the best is chosen.
//
// Intervals are analytic: the model's own variance at each distance and that of its parameters, read from Student's
// distribution with the degrees of freedom that the fit leaves. They are widened, never narrowed, by how far the method
// missed in the backtest, at each origin by what was known then. How often they held there is reported beside them. On
// simulated series of 48 values the 80 % interval holds about 76 % of what comes, that of 95 % about 93 %: choosing among
// ten methods costs the rest.
//
// A series that is too short, has too many gaps, or leaves too few origins is refused with code model_not_identified.
package forecast
