// Package replay replays what MongoDB answered to 27,000 commands against the document store, over the wire, and keeps
// the score in testdata/baseline.json. It owns the judging of answers and nothing of the store. All of it is tests:
//
// Each answer is a pass, unsupported (an explicit refusal of the store), or wrong. Where a wrong answer is right after
// all, testdata/exceptions.json says why. A case whose set-up the store refuses says nothing. A case that passes and finds documents
// by a field, to read or to write them, is repeated with indexes on its fields.
//
//	go test ./shared/local/docstore/replay                      # fails on a new wrong answer or a lost pass
//	go test ./shared/local/docstore/replay -update              # keeps the present score
//	go test ./shared/local/docstore/replay -only update -v      # one area or id, each difference printed
package replay
