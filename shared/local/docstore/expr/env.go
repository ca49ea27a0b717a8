package expr

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Expr is a compiled expression. It is immutable and safe for concurrent use with distinct Envs.
type Expr interface {
	// Eval computes the expression with doc as $$ROOT. A missing value is the zero RawValue. The result may alias doc.
	// Failures are *mongoerr.Error with MongoDB's code.
	Eval(env *Env, doc bson.Raw) (bson.RawValue, error)
}

// Scope is what names mean while an expression is compiled: the user's variables and the slots that hold them. Scopes are
// immutable; Define answers an extended copy.
type Scope struct {
	names map[string]int
	next  int
	// noDocument refuses field paths: the expression stands where no document is read
	noDocument bool
	// noClock refuses $$NOW
	noClock bool
}

// NewScope answers a scope that knows only the system variables.
func NewScope() *Scope { return &Scope{} }

// NewScopeWithoutClock answers a scope in which there is no $$NOW.
func NewScopeWithoutClock() *Scope { return &Scope{noClock: true} }

// Define answers a scope in which name is bound, and the slot under which its value is put into an Env by Set.
func (s *Scope) Define(name string) (*Scope, int) {
	child := &Scope{names: make(map[string]int, s.size()+1), next: s.size() + 1}
	if s != nil {
		for k, v := range s.names {
			child.names[k] = v
		}
		child.next = s.next + 1
		child.noDocument, child.noClock = s.noDocument, s.noClock
	}
	slot := child.next - 1
	child.names[name] = slot
	return child, slot
}

func (s *Scope) size() int {
	if s == nil {
		return 0
	}
	return len(s.names)
}

func (s *Scope) slot(name string) (int, bool) {
	if s == nil {
		return 0, false
	}
	slot, ok := s.names[name]
	return slot, ok
}

// Env holds what changes from one evaluation to the next: the values of variables and the operation's clock. One Env serves one
// goroutine.
type Env struct {
	// Now is $$NOW: one instant per command; zero means the variable is not available.
	Now time.Time
	// ClusterTime is $$CLUSTER_TIME; zero means the variable is not available.
	ClusterTime bson.Timestamp
	// Rand answers numbers in [0,1) for $rand; nil means math/rand/v2.
	Rand func() float64

	vars []bson.RawValue
}

// Set binds the variable of that slot (from Scope.Define).
func (e *Env) Set(slot int, v bson.RawValue) {
	for len(e.vars) <= slot {
		e.vars = append(e.vars, bson.RawValue{})
	}
	e.vars[slot] = v
}

// Var answers the value bound to slot; missing when none is.
func (e *Env) Var(slot int) bson.RawValue {
	if slot >= len(e.vars) {
		return bson.RawValue{}
	}
	return e.vars[slot]
}

// Clone answers an Env with the same clock and variables whose later Sets do not touch e.
func (e *Env) Clone() *Env {
	c := *e
	c.vars = append([]bson.RawValue(nil), e.vars...)
	return &c
}
