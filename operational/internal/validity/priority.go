package validity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"

	"github.com/strata-crm/strata/shared/fault"
)

// Priority is a customer's place in the random order, 0 to 2^63-1; divided by 2^63 it is uniform on [0, 1).
type Priority int64

// Unit is the priority as a number in [0, 1); near 1 it rounds to 1.
func (u Priority) Unit() float64 { return float64(u) / (1 << 63) }

// ThresholdOf is the first priority that is not in the sample of share p, for a range scan; p is cut to [0, 1]. It never
// falls when p grows, so that samples are nested.
func ThresholdOf(p float64) Priority {
	switch {
	case !(p > 0):
		return 0
	case p >= 1:
		return math.MaxInt64
	}
	return Priority(p * (1 << 63))
}

// InSample reports whether the customer with priority u is in the sample of share p. The decision needs nobody else: each
// partition makes it alone, the union of partitions' samples is the sample, and an erased customer is simply gone.
func InSample(u Priority, p float64) bool { return u < ThresholdOf(p) || p >= 1 }

// Key makes priorities. It is immutable and safe for concurrent use.
type Key struct {
	secret []byte
	prefix string
}

// NewKey makes the key of a tenant and an epoch. The secret, of 16 bytes or more, keeps anybody from choosing an id that
// lands in the sample. A new epoch, at most yearly and never between a publication and its verdicts, draws the order anew.
// It fails (Invalid) on a shorter secret and on an epoch that is empty or contains "|".
func NewKey(secret []byte, epoch string) (*Key, error) {
	if len(secret) < 16 {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "a secret of %d bytes for sampling: need 16 or more", len(secret))
	}
	if epoch == "" || strings.Contains(epoch, "|") {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "sampling epoch %q: need a name without |", epoch)
	}
	return &Key{append([]byte(nil), secret...), epoch + "|"}, nil
}

// Priority is the first 63 bits of HMAC-SHA256(secret, epoch | customer). Merged customers keep the survivor's.
func (k *Key) Priority(customer string) Priority {
	h := hmac.New(sha256.New, k.secret)
	h.Write([]byte(k.prefix))
	h.Write([]byte(customer))
	return Priority(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
}
