// Package wire reads and writes MongoDB wire protocol messages: OP_MSG, and the OP_QUERY/OP_REPLY pair that a driver
// uses for its first handshake. It owns framing and nothing else: it does not know commands, sessions or errors.
package wire
