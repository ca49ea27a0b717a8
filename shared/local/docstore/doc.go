// Package docstore is a document store that speaks MongoDB's wire protocol inside the process: for local mode and for
// tests. It owns opening, serving and closing; the rooms below it own the rest. Programs reach it only through the
// official driver, over TCP or through memory, and cannot tell it from a MongoDB replica set of one, but for what it
// refuses with an explicit error.
//
// It is not for production, where a real MongoDB belongs.
package docstore
