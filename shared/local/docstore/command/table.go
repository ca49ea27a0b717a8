package command

import (
	"context"
	"maps"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// command describes one command.
type command struct {
	run      func(ctx context.Context, r *request) (*bsonx.DocBuilder, error)
	fields   fields
	required []string
	sequence string // the field that may come as a document sequence

	adminOnly       bool
	open            bool     // needs no authentication
	lenient         bool     // unknown fields are ignored, as MongoDB does for these
	keepNull        bool     // null is a value like any other
	nulls           []string // fields of which null is a value like any other
	onlyReads       bool     // takes no writeConcern
	localReads      bool     // takes no readConcern but local
	retryable       bool     // may carry a txnNumber of its own
	snapshots       bool     // may read with level "snapshot" outside of a transaction
	inTransaction   bool
	endsTransaction bool
}

// commands returns all commands by name, aliases included.
func commands(failPoints bool) map[string]*command {
	all := map[string]*command{}
	for _, family := range []map[string]*command{handshakeCommands(), sessionCommands(), queryCommands(), writeCommands(), catalogCommands(), adminCommands()} {
		maps.Copy(all, family)
	}
	if failPoints {
		maps.Copy(all, failPointCommands())
	}
	return all
}
