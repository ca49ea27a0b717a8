package source

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Store keeps registered sources.
type Store interface {
	// Save stores s if the stored revision is previous (0: there must be none); else fault.Conflict.
	Save(ctx context.Context, s Source, previous int64) error
	// Get returns a source, or fault.NotFound.
	Get(ctx context.Context, t contract.TenantID, id contract.SourceID) (Source, error)
	// List returns all sources of a tenant, by id.
	List(ctx context.Context, t contract.TenantID) ([]Source, error)
}

const (
	keyPrefix = "wk_" // makes a leaked key recognisable to secret scanners
	maxKeys   = 2     // the current one and the one before, so that a key can be changed without a gap
	// keyCache bounds how long a withdrawn write key still opens a source on another replica.
	keyCache = 2 * time.Second
)

// Registry registers sources and tells whom a write key belongs to. Safe for concurrent use.
type Registry struct {
	tenant contract.TenantID
	store  Store
	now    func() time.Time

	mu      sync.Mutex
	byKey   map[string]Source
	loaded  time.Time
	changed func()
}

// NewRegistry returns the registry of a tenant. changed is called after each registration; nil means nobody asks.
func NewRegistry(t contract.TenantID, s Store, now func() time.Time, changed func()) (*Registry, error) {
	if !t.Valid() || s == nil || now == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "the source registry needs a tenant, a store and a clock")
	}
	if changed == nil {
		changed = func() {}
	}
	return &Registry{tenant: t, store: s, now: now, changed: changed}, nil
}

// Register stores a new source and returns it with its write key, which is shown this once: only its hash is kept.
// fault.Conflict when the id is taken.
func (r *Registry) Register(ctx context.Context, d Draft) (Source, string, error) {
	if err := d.Check(); err != nil {
		return Source{}, "", err
	}
	key, hash := newKey()
	now := r.now().UTC().Truncate(time.Millisecond)
	s := Source{Tenant: r.tenant, Revision: contract.NextRevision(0, now), Draft: d, Keys: []string{hash}, RegisteredAt: now, ChangedAt: now}
	if err := r.save(ctx, s, 0); err != nil {
		return Source{}, "", err
	}
	return s, key, nil
}

// Change replaces what was registered, if seen is the current revision (else fault.Conflict, precondition_failed). The
// write keys stay.
func (r *Registry) Change(ctx context.Context, d Draft, seen int64) (Source, error) {
	if err := d.Check(); err != nil {
		return Source{}, err
	}
	return r.update(ctx, d.ID, seen, func(s *Source) { s.Draft = d })
}

// NewKey gives a source another write key; the one before it still works, older ones don't.
func (r *Registry) NewKey(ctx context.Context, id contract.SourceID) (Source, string, error) {
	key, hash := newKey()
	s, err := r.update(ctx, id, 0, func(s *Source) {
		s.Keys = append(s.Keys, hash)
		s.Keys = slices.Clone(s.Keys[max(0, len(s.Keys)-maxKeys):])
	})
	return s, key, err
}

func (r *Registry) update(ctx context.Context, id contract.SourceID, seen int64, change func(*Source)) (Source, error) {
	s, err := r.store.Get(ctx, r.tenant, id)
	if err != nil {
		return Source{}, err
	}
	if seen != 0 && seen != s.Revision {
		return Source{}, fault.New(fault.Conflict, fault.PreconditionFailed, "source %s has changed since: read it again", id)
	}
	previous := s.Revision
	change(&s)
	s.ChangedAt = r.now().UTC().Truncate(time.Millisecond)
	s.Revision = contract.NextRevision(previous, s.ChangedAt)
	return s, r.save(ctx, s, previous)
}

func (r *Registry) save(ctx context.Context, s Source, previous int64) error {
	if err := r.store.Save(ctx, s, previous); err != nil {
		return err
	}
	r.mu.Lock()
	r.byKey = nil
	r.mu.Unlock()
	r.changed()
	return nil
}

// Get returns a source, or fault.NotFound.
func (r *Registry) Get(ctx context.Context, id contract.SourceID) (Source, error) {
	return r.store.Get(ctx, r.tenant, id)
}

// List returns all sources, by id.
func (r *Registry) List(ctx context.Context) ([]Source, error) { return r.store.List(ctx, r.tenant) }

// Offers returns the sources, by id, of every parameter that any offers: what makes a directive answerable.
func (r *Registry) Offers(ctx context.Context) (map[contract.ParameterName][]contract.SourceID, error) {
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	offers := map[contract.ParameterName][]contract.SourceID{}
	for i := range all {
		for _, p := range all[i].Offers {
			offers[p] = append(offers[p], all[i].ID)
		}
	}
	return offers, nil
}

// ByKey returns the source that a write key opens, or fault.Denied. Answers are at most keyCache old.
func (r *Registry) ByKey(ctx context.Context, key string) (Source, error) {
	if !strings.HasPrefix(key, keyPrefix) {
		return Source{}, noKey()
	}
	known, err := r.keys(ctx)
	if err != nil {
		return Source{}, err
	}
	// The map is keyed by the hash of 256 random bits, so the time of a look-up tells nothing about a key.
	s, ok := known[hashKey(key)]
	if !ok {
		return Source{}, noKey()
	}
	return s, nil
}

func noKey() error {
	return fault.New(fault.Denied, fault.NotSignedIn,
		"the write key opens no source: register one with POST /api/operational/v1/sources and send its key as the user name of Basic authentication")
}

func (r *Registry) keys(ctx context.Context) (map[string]Source, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey != nil && r.now().Sub(r.loaded) < keyCache {
		return r.byKey, nil
	}
	all, err := r.store.List(ctx, r.tenant)
	if err != nil {
		return nil, err
	}
	r.byKey, r.loaded = map[string]Source{}, r.now()
	for _, s := range all {
		for _, h := range s.Keys {
			r.byKey[h] = s
		}
	}
	return r.byKey, nil
}

// newKey returns a write key of 256 random bits, and its hash. A plain hash is enough for a key that cannot be guessed.
func newKey() (key, hash string) {
	b := make([]byte, 32)
	rand.Read(b) // never fails (crypto/rand, Go 1.24)
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(b)
	return key, hashKey(key)
}

func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// OnChange registers f, called after a source was registered or changed; f must not block. Call it before the registry is
// used.
func (r *Registry) OnChange(f func()) { r.changed = f }
