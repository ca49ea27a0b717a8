package httpapi

import (
	"testing"

	"github.com/strata-crm/strata/shared/httpx/httpxtest"
)

// The released document is that of the last release. An addition is taken over by go test -update-openapi; a break is a new
// version of the API, beside the old one for a release.
func TestNothingBreaksTheReleasedAPI(t *testing.T) {
	t.Parallel()
	httpxtest.Released(t, "../../api/released/openapi.v1.yaml", "../../api/openapi.yaml")
}
