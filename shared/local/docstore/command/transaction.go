package command

import (
	"context"
	"errors"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/session"
)

// enter finds the session of the command, and the transaction where there is one.
func (r *request) enter() error {
	if r.lsid == nil {
		if r.txnNumber != nil {
			return mongoerr.New(mongoerr.InvalidOptions, "Transaction number requires a session ID to also be specified")
		}
		return r.outside()
	}
	var err error
	if r.session, err = r.sessions.Touch(*r.lsid, r.conn.ID); err != nil {
		return err
	}
	if r.txnNumber == nil {
		r.session = nil
		return r.outside()
	}
	if *r.txnNumber < 0 {
		r.session = nil
		return mongoerr.New(mongoerr.InvalidOptions, "Transaction number cannot be negative")
	}
	if !r.autocommit {
		return r.enterWrite()
	}
	return r.enterTransaction()
}

// outside checks a command without a number.
func (r *request) outside() error {
	switch {
	case r.autocommit:
		return mongoerr.New(mongoerr.InvalidOptions, "'autocommit' field requires a transaction number to also be specified")
	case r.start:
		return mongoerr.New(mongoerr.InvalidOptions, "'startTransaction' field requires 'autocommit' field to also be specified")
	case r.cmd.endsTransaction:
		return mongoerr.New(125, "%s must be run within a transaction", r.name)
	}
	return nil
}

func (r *request) enterWrite() error {
	if r.start {
		r.session = nil
		return mongoerr.New(mongoerr.InvalidOptions, "'startTransaction' field requires 'autocommit' field to also be specified")
	}
	if !r.cmd.retryable {
		r.session = nil
		return mongoerr.New(50768, "txnNumber may only be provided for multi-document transactions and retryable write commands. autocommit:false was not provided, and %s is not a retryable write command.", r.name)
	}
	r.session.Lock(r.conn.ID)
	return nil
}

func (r *request) enterTransaction() error {
	if !r.cmd.inTransaction && !r.cmd.endsTransaction {
		r.session = nil
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run '%s' in a multi-document transaction.", r.name)
	}
	if err := r.checkConcerns(); err != nil {
		r.session = nil
		return err
	}
	r.session.Lock(r.conn.ID)
	if r.cmd.endsTransaction {
		return nil
	}
	var err error
	if r.start {
		r.tx, err = r.sessions.Start(r.session, *r.txnNumber, r.readConcern == "snapshot" || r.readConcern == "majority")
	} else {
		r.tx, err = r.session.Continue(*r.txnNumber)
	}
	if err != nil {
		r.leave()
		r.session = nil
	}
	return err
}

func (r *request) checkConcerns() error {
	switch {
	case r.readConcern != "" && !r.start:
		return mongoerr.New(mongoerr.InvalidOptions, "Only the first command in a transaction may specify a readConcern")
	case r.readConcern == "linearizable" || r.readConcern == "available":
		return mongoerr.New(mongoerr.InvalidOptions, "The readConcern level must be either 'local' (default), 'majority' or 'snapshot' in order to run in a transaction")
	case r.hasWriteConcern && !r.cmd.endsTransaction:
		return mongoerr.New(mongoerr.InvalidOptions, "writeConcern is not allowed within a multi-statement transaction")
	case (r.db == "local" || r.db == "config" || r.db == "admin") && !r.cmd.endsTransaction && r.name != "killCursors" && r.name != "getMore":
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run command against the '%s' database in a transaction.", r.db)
	}
	return nil
}

// leave ends the command's hold on its session.
func (r *request) leave() {
	if r.session != nil {
		r.session.Unlock()
	}
}

func commitTransaction(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	if err := r.needTransaction(); err != nil {
		return nil, err
	}
	r.killTransactionCursors()
	err := r.sessions.Commit(r.session, *r.txnNumber)
	var conflict *engine.Conflict
	switch {
	case errors.As(err, &conflict): // over a collection that it has made
		err = mongoerr.From(translate(err)).WithLabel(mongoerr.TransientTransactionError)
	case err != nil && r.session.Committed(): // it is there, but nobody knows whether it stays
		err = mongoerr.From(translate(err)).WithLabel(mongoerr.UnknownTransactionCommitResult)
	}
	out := bsonx.NewDoc(16)
	if r.tooMany {
		out.Append("writeConcernError", bsonx.NewDoc(64).Append("code", bsonx.Int32(mongoerr.UnsatisfiableWriteConcern)).
			Append("codeName", bsonx.String("UnsatisfiableWriteConcern")).Append("errmsg", bsonx.String("Not enough data-bearing nodes")).Value())
	}
	return out, err
}

func abortTransaction(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	if err := r.needTransaction(); err != nil {
		return nil, err
	}
	if _, err := r.session.Continue(*r.txnNumber); err != nil {
		return nil, err
	}
	r.killTransactionCursors()
	r.session.Abort()
	return bsonx.NewDoc(16), nil
}

// killTransactionCursors closes the cursors opened in the transaction: nobody may read them any more.
func (r *request) killTransactionCursors() {
	r.cursors.KillWhere(func(c *session.Cursor) bool {
		return c.TxnNumber == *r.txnNumber && c.Session != nil && *c.Session == *r.lsid
	})
}

func (r *request) needTransaction() error {
	if r.session == nil || !r.autocommit {
		return mongoerr.New(125, "%s must be run within a transaction", r.name)
	}
	return nil
}
