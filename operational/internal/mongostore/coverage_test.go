package mongostore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

// people are n customers with one order each; of every ten, seven orders have an amount, five have a cost, three customers
// an e-mail address, and two have answered, one of them twice.
func people(n int) (days []dayDoc, profiles []profileDoc, facts []factDoc) {
	for i := range n {
		customer := fmt.Sprintf("c%03d", i)
		d := dayDoc{ID: id(tenant, customer, "1997-01-01"), Tenant: tenant, Customer: identity.Key(customer), Day: "1997-01-01", Orders: 1, WithItems: 1}
		f := factDoc{ID: id(tenant, "shop", customer), Tenant: tenant, Customer: identity.Key(customer), Day: "1997-01-01", Kind: fact.Order}
		p := profileOf(customer, nil)
		if i%10 < 7 {
			d.WithAmount = 1
		}
		if i%10 < 5 {
			f.More = bson.D{{Key: "order_cost", Value: 5}}
		}
		if i%10 < 3 {
			p = profileOf(customer, bson.D{{Key: "email", Value: "a@example.org"}})
		}
		if i%10 < 2 {
			facts = append(facts, answerDoc(customer, customer, "1997-01-02", 9))
		}
		if i%10 < 1 {
			facts = append(facts, answerDoc(customer+"-again", customer, "1997-01-03", 8))
		}
		days, profiles, facts = append(days, d), append(profiles, p), append(facts, f)
	}
	return days, profiles, facts
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	asked := []contract.Parameter{
		{Name: contract.ParamCustomerID, DataType: contract.Identification}, {Name: contract.ParamOrderTime, DataType: contract.Transactional},
		{Name: contract.ParamOrderAmount, DataType: contract.Transactional}, {Name: contract.ParamOrderItems, DataType: contract.Transactional},
		{Name: "order_cost", DataType: contract.Transactional}, {Name: "email", DataType: contract.Identification},
		{Name: contract.ParamNPS, DataType: contract.Conversed}, {Name: "hobby", DataType: contract.Descriptive},
	}
	for n, want := range map[int]map[contract.ParameterName]float64{
		29: {}, // too few to tell
		40: {"customer_id": 1, "order_time": 1, "order_amount": .7, "order_items": 1, "order_cost": .5, "email": .3, "nps": .2, "hobby": 0},
	} {
		days, profiles, facts := people(n)
		db := warehouse(t, days, profiles, facts)
		var bytes int64
		for i := range 3 {
			b, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "tenant", Value: tenant}, {Key: "pad", Value: strings.Repeat("x", 100*i)}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Collection(lakeCollection).InsertOne(t.Context(), bson.Raw(b)); err != nil {
				t.Fatal(err)
			}
			bytes += int64(len(b))
		}
		got, held, err := NewMetrics(tenant, db).Coverage(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		amounts := int64(7 * n / 10)
		if n%10 == 9 {
			amounts++ // of the last nine, seven
		}
		if h := held[contract.ParamOrderAmount]; h.Events != amounts || h.Bytes != bytes*amounts/3 || held[contract.ParamOrderTime].Events != int64(n) {
			t.Errorf("of %d customers: amounts cost %+v, want %d events of %d/3 bytes", n, h, amounts, bytes)
		}
		if _, ok := held["email"]; ok {
			t.Error("what is known of a customer is told as facts")
		}
		for _, p := range []contract.ParameterName{"email", "nps", "hobby"} {
			have, of, err := NewMetrics(tenant, db).Covered(t.Context(), p)
			if err != nil || of != int64(n) || n == 40 && float64(have) != want[p]*float64(n) {
				t.Errorf("of %d customers %s is known of %d of %d, %v", n, p, have, of, err)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("of %d customers (-want +got):\n%s", n, d)
		}
	}
}
