package mongodb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/httpx/httpxtest"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/policy"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestIdempotency(t *testing.T) {
	t.Parallel()
	httpxtest.TestIdempotency(t, func(t *testing.T, now func() time.Time) httpxtest.Store {
		config, deps := mongotest.Settings(t)
		deps.Now = now
		db, err := mongodb.Connect(t.Context(), config, deps)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close(context.Background()) })
		return httpxtest.Store{IdempotencyStore: mongodb.NewIdempotency(db), Change: func(ctx context.Context) error {
			return db.Tx(ctx, func(ctx context.Context) error { return increment(ctx, db, "a") })
		}}
	})
}

// TestAFailedTransactionKeepsNoKey: what was not committed was not changed, and the change that was has its note.
func TestAFailedTransactionKeepsNoKey(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	s := mongodb.NewIdempotency(db)
	claim := begin(t, s)
	refused := errors.New("refused")
	err := db.Tx(claim.Guard(t.Context()), func(ctx context.Context) error {
		return errors.Join(increment(ctx, db, "a"), refused)
	})
	if !errors.Is(err, refused) || claim.Finish(t.Context(), httpx.StoredResponse{}) != nil {
		t.Fatal(err)
	}
	begin(t, s)
}

// TestAClaimOfAnEarlierReleaseLapses: it has no field that counts changes.
func TestAClaimOfAnEarlierReleaseLapses(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	s, at := mongodb.NewIdempotency(db), time.Now().Add(-httpx.ClaimLife-time.Minute)
	_, err := db.Collection("strata_idempotency").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "scope|key"}, {Key: "hash", Value: []byte("h")},
		{Key: "owner", Value: "another"}, {Key: "claimed", Value: at}, {Key: "expires", Value: at.Add(httpx.IdempotencyLife)}, {Key: "status", Value: 0}})
	if err != nil {
		t.Fatal(err)
	}
	begin(t, s)
}

// TestAWriteWithoutANoteIsLogged: under a claim, and until its answer, what is written outside of transactions is a defect.
func TestAWriteWithoutANoteIsLogged(t *testing.T) {
	t.Parallel()
	c, d := mongotest.Settings(t)
	var logged bytes.Buffer
	d.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	claim := begin(t, mongodb.NewIdempotency(db))
	ctx := claim.Guard(t.Context())
	in := db.Tx(ctx, func(ctx context.Context) error { return increment(ctx, db, "a") })
	if err := errors.Join(in, increment(t.Context(), db, "a"), mongodb.NewDecisions(db).Record(ctx, policy.Record{ID: "d"})); err != nil || logged.Len() > 0 {
		t.Fatalf("a noted write, one of nobody's request, and a decision: %v, %s", err, &logged)
	}
	if err := increment(ctx, db, "a"); err != nil || !strings.Contains(logged.String(), mongodb.UnnotedWrite) {
		t.Errorf("a write without a note: %v, logged %q", err, &logged)
	}
	logged.Reset()
	if err := errors.Join(claim.Finish(ctx, httpx.StoredResponse{Status: 200}), increment(ctx, db, "a")); err != nil || logged.Len() > 0 {
		t.Errorf("the answer, and a write after it: %v, %s", err, &logged)
	}
}

// TestAnUnknownCommitIsNotRepeated loses every answer to the commit, and never the commit: the request fails, and its
// repetition is told so instead of changing the same again.
func TestAnUnknownCommitIsNotRepeated(t *testing.T) {
	t.Parallel()
	c, d := mongotest.Settings(t)
	c.Timeout, d.Dialer = time.Second, deafToCommits{d.Dialer}
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	s := mongodb.NewIdempotency(db)
	claim := begin(t, s)
	err = db.Tx(claim.Guard(t.Context()), func(ctx context.Context) error { return increment(ctx, db, "a") })
	if !errors.Is(err, mongodb.ErrUnknownCommit) || counter(t, db, "a") != 1 {
		t.Fatalf("Tx = %v, counter %d; want an unknown outcome of one change", err, counter(t, db, "a"))
	}
	if err := claim.Finish(t.Context(), httpx.StoredResponse{}); err != nil {
		t.Fatal(err)
	}
	if c, _, err := s.Begin(t.Context(), "key", "scope", []byte("h")); c != nil || fault.CodeOf(err) != fault.OutcomeUnknown {
		t.Errorf("the repetition = %v, %v; want to be told that the outcome is unknown", c, err)
	}
}

// deafToCommits dials connections that break when the answer to a commit comes.
type deafToCommits struct{ options.ContextDialer }

func (d deafToCommits) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer options.ContextDialer = &net.Dialer{}
	if d.ContextDialer != nil {
		dialer = d.ContextDialer
	}
	c, err := dialer.DialContext(ctx, network, address)
	return &deafConn{Conn: c}, err
}

type deafConn struct {
	net.Conn
	committed atomic.Bool
}

func (c *deafConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("commitTransaction")) {
		c.committed.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.committed.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func begin(t *testing.T, s *mongodb.Idempotency) httpx.Claim {
	t.Helper()
	claim, got, err := s.Begin(t.Context(), "key", "scope", []byte("h"))
	if claim == nil || got != nil || err != nil {
		t.Fatalf("Begin = %v, %v, %v; want the claim", claim, got, err)
	}
	return claim
}
