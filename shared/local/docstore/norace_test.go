//go:build !race

package docstore_test

// instrumented says that the race detector is in the binary, which multiplies the memory that it takes.
const instrumented = false
