package mongodb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

const (
	labelTransient = "TransientTransactionError"
	labelUnknown   = "UnknownTransactionCommitResult"

	firstPause = 2 * time.Millisecond
	maxPause   = 250 * time.Millisecond
	// swallowedLimit is how often a commit may find no transaction before Tx says why: the server drops a transaction
	// after an error in it, so a function that hides an error would run for ever.
	swallowedLimit = 3
	// budgetFactor times Config.Timeout is how long Tx goes on, at most maxBudget: the server ends a transaction after 60 s.
	budgetFactor = 3
	maxBudget    = 50 * time.Second
	// lastWord is how long a commit or an abort may outlast the context it was begun under. A component gets 10 s to return
	// after its context ends, and so does a consumer whose partition goes to another: both fit in, with what comes before.
	lastWord = 3 * time.Second
)

// ErrUnknownCommit is in the chain of the Transient error that [DB.Tx] returns when the answer to a commit was lost: it
// may or may not have taken place. Whoever called repeats the whole: deterministic ids and compare-and-set make that
// harmless.
var ErrUnknownCommit = errors.New("the outcome of the commit is unknown")

// retryable marks an error after which the transaction runs again although the server did not ask for it.
type retryable struct{ err error }

func (r retryable) Error() string { return r.err.Error() }
func (r retryable) Unwrap() error { return r.err }

// Tx runs fn in one transaction: every read through fn's ctx sees one snapshot, and every write is stored by a majority
// or none is. A Tx inside fn joins the outer one.
//
// fn may run several times, so it does nothing but operations through its ctx and computing; whatever it hands out it
// sets anew each time. It returns every error it gets: the server has dropped the transaction by then. Concurrent
// transactions that change the same document do not wait: one runs again. Tx goes on until ctx ends, at most three times
// Config.Timeout and 50 s; after ctx has ended a commit or an abort that was begun gets 3 s more. Under an Idempotency-Key
// ([Idempotency]) it also notes there that something was changed.
//
// Errors: fn's own faults as they are; what the driver says as [Fault] classifies it; conflicts to the end as
// Transient; a lost answer to the commit as Transient with [ErrUnknownCommit].
func (db *DB) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if inTx(ctx) {
		return fn(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, min(budgetFactor*db.timeout, maxBudget))
	defer cancel()
	session, err := db.client.StartSession()
	if err != nil {
		return fmt.Errorf("mongodb: start a transaction: %w", Fault(err))
	}
	defer session.EndSession(context.WithoutCancel(ctx)) // nothing is open: it asks the server for nothing
	return db.retry(ctx, session, fn)
}

func inTx(ctx context.Context) bool { return mongo.SessionFromContext(ctx) != nil }

func (db *DB) retry(ctx context.Context, session *mongo.Session, fn func(ctx context.Context) error) error {
	pause, swallowed := firstPause, 0
	for attempt := 1; ; attempt++ {
		err := db.once(ctx, session, fn)
		if err == nil {
			db.events.transaction(ctx, attempt, "committed")
			return nil
		}
		if errors.Is(err, errSwallowed) {
			swallowed++
		}
		if !again(err) || swallowed == swallowedLimit {
			db.events.transaction(ctx, attempt, "failed")
			return final(err)
		}
		if sleep(ctx, jitter(pause)) != nil {
			db.events.transaction(ctx, attempt, "gave_up")
			return fmt.Errorf("mongodb: transaction gave up after %d attempts: %w", attempt, Fault(err))
		}
		pause = min(2*pause, maxPause)
	}
}

// once runs fn and commits. It leaves no transaction open.
func (db *DB) once(ctx context.Context, session *mongo.Session, fn func(ctx context.Context) error) error {
	if err := session.StartTransaction(txOptions()); err != nil {
		return err
	}
	inside := mongo.NewSessionContext(ctx, session)
	err := fn(inside)
	if err == nil {
		err = db.noteChange(inside)
	}
	if err != nil {
		db.abort(ctx, session)
		return err
	}
	if err := ctx.Err(); err != nil {
		db.abort(ctx, session)
		return err
	}
	return db.commit(ctx, session)
}

func txOptions() *options.TransactionOptionsBuilder {
	journaled := true
	majority := writeconcern.Majority()
	majority.Journal = &journaled
	return options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(majority).SetReadPreference(readpref.Primary())
}

// abort ends the transaction even when ctx is over; a failure leaves it to the server's own limit.
func (db *DB) abort(ctx context.Context, session *mongo.Session) {
	ctx, cancel := db.outlast(ctx)
	defer cancel()
	if err := session.AbortTransaction(ctx); err != nil {
		db.log.WarnContext(ctx, "a transaction was not aborted and ends at the server's limit", "error", Fault(err))
	}
}

// outlast returns a context that lasts Config.Timeout, and when ctx ends before, only lastWord longer than ctx.
func (db *DB) outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), db.timeout)
	stop := context.AfterFunc(ctx, func() {
		_ = sleep(out, lastWord) // out may be over sooner, and then there is nothing to end
		cancel()
	})
	return out, func() { stop(); cancel() }
}

var errSwallowed = errors.New("the server has no such transaction at its commit: the function hid a database error that it must return, or the server restarted")

// commit repeats a commit with an unknown outcome, which the server answers alike each time, for up to Config.Timeout. It
// goes on for a moment when ctx has ended: a commit that was begun is better known than guessed. After that its outcome is
// unknown.
func (db *DB) commit(ctx context.Context, session *mongo.Session) error {
	ctx, cancel := db.outlast(ctx)
	defer cancel()
	pause := firstPause
	for {
		err := session.CommitTransaction(ctx)
		switch {
		case err == nil:
			return nil
		case hasLabel(err, labelUnknown):
			if sleep(ctx, jitter(pause)) != nil {
				return unknownCommit(err)
			}
			pause = min(2*pause, maxPause)
		case (ctx.Err() != nil || mongo.IsTimeout(err)) && !hasLabel(err, labelTransient):
			return unknownCommit(err) // the driver gives up a moment before ctx does when no answer could come in time
		case hasCode(err, codeNoSuchTransaction):
			return errors.Join(errSwallowed, err)
		default:
			return err
		}
	}
}

func unknownCommit(err error) error {
	return fault.Wrap(fault.Transient, fault.Unavailable, errors.Join(ErrUnknownCommit, Fault(err)),
		"the database did not say whether it stored the change: look, or send the same again")
}

func again(err error) bool {
	var r retryable
	return !errors.Is(err, ErrUnknownCommit) && (hasLabel(err, labelTransient) || errors.As(err, &r))
}

func final(err error) error {
	if errors.Is(err, errSwallowed) {
		return fault.Wrap(fault.Internal, "", errSwallowed, "mongodb: transaction")
	}
	return Fault(err)
}

func hasCode(err error, code int) bool {
	for _, c := range codesOf(err) {
		if c == code {
			return true
		}
	}
	return false
}

func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// sleep waits for d or until ctx ends, then returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
