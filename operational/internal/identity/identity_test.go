package identity_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

func keys(t *testing.T, first byte) *identity.Keys {
	t.Helper()
	k := make([]byte, identity.KeyBytes)
	k[0] = first
	out, err := identity.NewKeys(k)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestKeys(t *testing.T) {
	t.Parallel()
	if _, err := identity.NewKeys(make([]byte, identity.KeyBytes-1)); err == nil {
		t.Error("a short tenant key is taken")
	}
	a, b := keys(t, 1), keys(t, 2)
	if a.Customer(identity.User, "ada") != keys(t, 1).Customer(identity.User, "ada") {
		t.Error("one identifier has two keys")
	}
	seen := map[identity.Key]bool{}
	for _, k := range []identity.Key{a.Customer(identity.User, "ada"), a.Customer(identity.Anonymous, "ada"), a.Customer(identity.User, "Ada"), b.Customer(identity.User, "ada")} {
		if len(k) != 32 || seen[k] {
			t.Errorf("key %s is not one of its own", k)
		}
		seen[k] = true
	}
	if a.Content([]byte("x")) == b.Content([]byte("x")) || a.Fingerprint() == b.Fingerprint() || len(a.Fingerprint()) != 16 {
		t.Error("contents and fingerprints of two tenants must differ")
	}
}

// TestKeysStayWhatTheyAre: what is stored under a key of today is found by a key of tomorrow, from many goroutines too.
func TestKeysStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	k := keys(t, 1)
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 100 {
				if got := k.Customer(identity.User, "ada"); got != "c19dbcd9b22b75a66bc236920adc326b" {
					t.Errorf("the customer's key is %s", got)
				}
				if got := k.Content([]byte("x")); got != "61e3da6226979cd06e5bc8e4200f09f3" {
					t.Errorf("the content's hash is %s", got)
				}
			}
		})
	}
	users.Wait()
}

func TestLinks(t *testing.T) {
	t.Parallel()
	k := keys(t, 1)
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	e := contract.CustomerEvent{Source: "shop", ID: "2", Time: at, UserID: "ada", AnonymousID: "cookie"}
	links := identity.Of(k, &e)
	if len(links) != 1 || links[0].A >= links[0].B {
		t.Fatalf("the event states %+v, want one link with its ends in order", links)
	}
	alias := contract.CustomerEvent{Source: "shop", ID: "3", Time: at, UserID: "ada", PreviousID: "cookie"}
	same := false
	for _, l := range identity.Of(k, &alias) {
		same = same || l.ID() == links[0].ID()
	}
	if !same {
		t.Error("the alias call does not state the link of the anonymous id")
	}
	if got := identity.Of(k, &contract.CustomerEvent{AnonymousID: "cookie"}); got != nil {
		t.Errorf("an event without a user states %+v", got)
	}
	earlier := links[0]
	earlier.At, earlier.Event = at.Add(-time.Hour), "9"
	tie := links[0]
	tie.Event = "1"
	for _, other := range []identity.Link{earlier, tie} {
		if links[0].Earlier(other) != other || other.Earlier(links[0]) != other {
			t.Errorf("of %+v and %+v the second must count, whichever came first", links[0], other)
		}
	}
}

// TestMentioned: whoever is named whole in a record that cannot be read is among those it may be about.
func TestMentioned(t *testing.T) {
	t.Parallel()
	k := keys(t, 1)
	for raw, want := range map[string][]string{
		`{"userId":"ada"}`:                    {"userId", "ada"},
		`{"userId":"ada","traits":["b c",{"x`: {"ada", "b c", "x"},
		`{"userId":12,"anonymousId":null}`:    {"12"},
		`rId":"ada","previousId":"bob"}`:      {"ada", "bob"}, // cut in front: quotes do not pair
		`{"userId":"\u0061d\"a","x":"\q","y"`: {`ad"a`, `\q`, "y"},
		`"`:                                   nil,
		"":                                    nil,
	} {
		got := identity.Mentioned(k, []byte(raw))
		for _, text := range want {
			for _, key := range []identity.Key{identity.Key(text), k.Customer(identity.User, text), k.Customer(identity.Anonymous, text)} {
				if !slices.Contains(got, key) {
					t.Errorf("%s: %q is not mentioned", raw, text)
				}
			}
		}
		if want == nil && got != nil {
			t.Errorf("%q mentions %v", raw, got)
		}
	}
}
