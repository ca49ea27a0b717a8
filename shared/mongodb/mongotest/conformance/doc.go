// Package conformance says as data what MongoDB answers where the public cases are silent: the traps of its semantics, the
// order of fields, texts of errors, labels, ties in sorts. It owns the cases in testdata and their runner; it is all tests.
// They run through the driver against the document store, or against the server that STRATA_TEST_MONGODB_URI names.
//
// A line of a .jsonl file is one case in relaxed Extended JSON (1 is an int32, 1.0 a double): "index" and "insert" set up
// collection c (documents without _id get 1, 2, …), then one action, then what is expected:
//
//	find (with sort, project, limit), aggregate, update, eval (an expression on the document "on"), cmd
//	ids, docs (each to the byte, in order), value or missing (of eval), code, message (a part of it), reply (fields of it), after (all of c)
//
// "@c" stands for the collection. "refused" is the code of the document store for what it leaves out; a real server is not asked then.
package conformance
