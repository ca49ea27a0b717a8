package docs

import (
	"fmt"
	"testing"

	"github.com/strata-crm/strata/functional"
	"github.com/strata-crm/strata/operational"
	"github.com/strata-crm/strata/shared/config"
	"github.com/strata-crm/strata/strategic"
)

func TestPrint(t *testing.T) {
	s, err := config.Load[strategic.Config]("strategic", nil, "")
	a, err2 := config.Describe("strategic", s)
	f, err3 := config.Load[functional.Config]("functional", nil, "")
	b, err4 := config.Describe("functional", f)
	o, err5 := config.Load[operational.Config]("operational", []string{"STRATA_OPERATIONAL_TENANT_KEY=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}, "")
	c, err6 := config.Describe("operational", o)
	fmt.Println(err, err2, err3, err4, err5, err6)
	for _, x := range [][]config.Setting{a, b, c} {
		for _, y := range x {
			fmt.Println(y)
		}
	}
}
