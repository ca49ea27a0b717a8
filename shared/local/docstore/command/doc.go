// Package command carries out MongoDB commands: it checks their fields, finds their session and transaction, runs them
// against the engine, and builds their replies. A file holds a command or a family of commands. It does not own the
// wire, storage, plans, filters, updates nor pipelines.
package command
