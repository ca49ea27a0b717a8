package report

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/internal/client"
)

func TestModel(t *testing.T) {
	t.Parallel()
	m := decoded[client.ModelLine](t, `{"subject":{"model":"bg_nbd","scope":{"field":"orders","op":"gte","value":2}},"why":{"code":"model_not_identified"},"line":[
		{"number":1,"state":"retired","history":[{"to":"active","asOf":"1997-10-01T00:00:00Z"},{"to":"expired","asOf":"1998-01-01T00:00:00Z"},{"to":"retired","asOf":"1998-01-01T00:00:00Z"}],
		 "trials":[{"asOf":"1997-10-01T00:00:00Z","fitted":"1997-07-02T00:00:00Z","holdOut":{"weeks":13,"customers":23570,"predicted":7000.4,"actual":7778,"mae":0.405,"bias":-0.1,"coverage":0.931}}]},
		{"number":2,"state":"shadow","trials":[{"asOf":"1998-01-01T00:00:00Z","fitted":"1997-10-02T00:00:00Z"}]}]}`)
	want := `BG/NBD, of some customers: 2 fits; nothing came of the last that was tried: model not identified.
  fit 1              retired: active by the data until 30 September 1997, expired by the data until 31
                     December 1997, retired by the data until 31 December 1997
                     fitted on the data until 1 July 1997 of 23,570 customers; in the 13 weeks after they made
                     7,778 purchases where it foretold 7,000 (-10.0 %), off by 0.405 a customer; 93.1 % of
                     them within their own 80 % interval
  fit 2              shadow
                     fitted on the data until 1 October 1997; not held against later weeks yet
`
	if d := cmp.Diff(want, printed(func(out io.Writer) { Model(out, m) })); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
