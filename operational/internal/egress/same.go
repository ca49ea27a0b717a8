package egress

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// same reports whether two measurements say the same: all but the revision, the instant they were computed as of, and the
// revision of the directive that they were made for.
func same(a, b contract.Measurement) bool {
	if a.ID == "" || b.ID == "" {
		return false
	}
	for _, m := range []*contract.Measurement{&a, &b} {
		m.Revision, m.DirectiveRevision, m.AsOf = 0, 0, time.Time{}
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
