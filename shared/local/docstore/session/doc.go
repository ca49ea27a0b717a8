// Package session keeps what MongoDB ties to a logical session: the number of its last retryable write or
// transaction, the open transaction, the answers that a repeated write must get again, and open cursors. It does not
// know commands, and the writes themselves belong to package engine.
package session
