package segment

import (
	"strings"
	"testing"

	"github.com/strata-crm/strata/operational/internal/datatest"
)

func TestCDNOW(t *testing.T) {
	t.Parallel()
	s := DefaultSettings("USD")
	histories, asOf := datatest.CDNOW(t), datatest.Day("19980630")
	if testing.Short() {
		histories = datatest.CDNOWSample(t)
	}
	customers, err := AsOf(histories, asOf, s.Traits)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Suggest(customers, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Candidates {
		t.Logf("%d groups: silhouette %.4f ± %.4f, the smallest of %d", c.K, c.Silhouette, c.StdErr, c.Smallest)
	}
	t.Logf("%d groups, %v", len(g.Groups), g.Model.HoldOut.Measures)
	sum, last, often := 0, len(histories), 0
	for _, x := range g.Groups {
		t.Logf("%5d customers %4.1f %%: %s", x.Customers, 100*x.Share, x.Text)
		if x.Customers > last || x.Customers < s.MinSize {
			t.Errorf("%d customers after %d", x.Customers, last)
		}
		if strings.Contains(x.Text, "last seen") && strings.Contains(x.Text, "buys often") {
			often++
		}
		sum, last = sum+x.Customers, x.Customers
	}
	if sum != len(histories) || len(g.Members) != sum || g.Model.N != sum {
		t.Errorf("groups hold %d customers of %d", sum, len(histories))
	}
	if often != 1 {
		t.Errorf("%d groups buy often and were seen lately, want one", often)
	}
	if m := g.Model.HoldOut.Measures; m["adjusted_rand"] < .8 || m["silhouette"] < .35 {
		t.Errorf("measures %v", m)
	}
}
