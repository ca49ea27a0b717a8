// Package specs runs the MongoDB drivers' specification suites against the document store, with the runner of the driver
// module that shipped them last. It owns which of them the store is judged by and the list of those that fail or cannot
// run, each with its reason; it owns nothing of the store. All of it is tests, which run where CI, STRATA_SPECS or
// STRATA_FULL is set: building the runner takes a minute the first time.
//
//	STRATA_SPECS=1 go test ./shared/local/docstore/specs -v            # fails where a suite's result is not the listed one
//	STRATA_SPECS=1 go test ./shared/local/docstore/specs -update       # keeps the present list of skips
package specs
