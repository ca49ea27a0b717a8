// Package docstorebench measures the local document store against what it stands on: Pebble without a server on top,
// an empty command, the same operations without a transaction, and itself with fewer documents. It owns no product
// code, and it gives ratios of one run on one machine; absolute times mean little elsewhere.
//
// Without STRATA_BENCH the tests run over a few thousand documents, to show that they work; the ratios of such a run
// mean nothing and are not judged. With STRATA_BENCH they run over -documents documents and fail where an aim is
// missed by more than -slack.
package docstorebench
