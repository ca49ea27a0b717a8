package orderfile

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/strata-crm/strata/shared/fault"
)

// Roles of columns, in the order of a file of four columns.
const (
	roleCustomer = iota
	roleDate
	roleItems
	roleAmount
	roles
)

// headings are names that leave no doubt about what a column holds, in small letters without anything else. A price is not
// among them: whether it is that of one item or of all, only the owner of the file knows.
var headings = [roles][]string{
	{"customer", "customerid", "customerno", "customernumber", "customercode", "cust", "custid", "client", "clientid", "userid", "buyer", "buyerid", "memberid"},
	{"date", "orderdate", "purchasedate", "invoicedate", "transactiondate", "saledate", "day", "orderday", "datetime", "timestamp", "ordertime", "orderedat", "createdat"},
	{"items", "quantity", "qty", "units", "itemcount", "numberofitems", "numitems"},
	{"amount", "total", "totalamount", "orderamount", "ordertotal", "ordervalue", "revenue", "sales", "spend", "turnover", "totalprice", "grandtotal"},
}

// roleOf returns what a column of the name holds, -1 if the name does not tell.
func roleOf(name string) int {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
	return slices.IndexFunc(headings[:], func(known []string) bool { return slices.Contains(known, plain) })
}

// named completes a mapping that names no column: by what the heading says, and else, in a file of four columns, by their
// places: customer, date, items, amount. A heading that contradicts the places wins; one that leaves a doubt is refused,
// since amounts read from the wrong column would look like amounts.
func (m Mapping) named(first []string) (Mapping, error) {
	if m.Customer == "" && m.Date == "" && m.Amount == "" && m.Items == "" && m.Price == "" {
		if places, ok := guess(first); ok {
			m.Customer, m.Date, m.Items, m.Amount = places[roleCustomer], places[roleDate], places[roleItems], places[roleAmount]
		}
	}
	if m.Customer == "" || m.Date == "" {
		return m, fault.New(fault.Invalid, fault.MissingField,
			"say which columns hold the customer and the date, and the amount if there is one: --customer COLUMN --date COLUMN --amount COLUMN, "+
				"by name or number, or a mapping file; the first line has %s", strings.Join(first, " | "))
	}
	return m, nil
}

// guess returns the columns' numbers by role; ok is false if the first line leaves a doubt.
func guess(first []string) (places [roles]string, ok bool) {
	unnamed := 0
	for i, name := range first {
		role := roleOf(name)
		if role < 0 {
			unnamed++
			continue
		}
		if places[role] != "" {
			return places, false // two columns of one kind
		}
		places[role] = strconv.Itoa(i + 1)
	}
	if len(first) == roles && unnamed > 0 && (unnamed == len(first) || places[roleCustomer] != "") {
		for i, name := range first {
			price := i == roleAmount && strings.Contains(strings.ToLower(name), "price") // of one item, perhaps
			if roleOf(name) < 0 && places[i] == "" && !price {
				places[i] = strconv.Itoa(i + 1)
			}
		}
	}
	needed := places[roleCustomer] != "" && places[roleDate] != "" && places[roleAmount] != ""
	return places, needed && (len(first) == roles || unnamed < len(first))
}

// headed reports whether the first line names the columns: it is said, or a column is mapped by a name in it, or a name in
// it is one that everybody uses, or there is no digit in it. A number is no name here, as any first order may have it
// among its values.
func (m Mapping) headed(first []string) (bool, error) {
	switch m.Heading {
	case "yes", "no":
		return m.Heading == "yes", nil
	case "":
		for _, name := range []string{m.Customer, m.Date} {
			if _, err := strconv.Atoi(name); err != nil && slices.Contains(first, name) {
				return true, nil
			}
		}
		known := slices.ContainsFunc(first, func(name string) bool { return roleOf(name) == roleDate })
		return known || !strings.ContainsAny(strings.Join(first, ""), "0123456789"), nil
	}
	return false, fault.New(fault.Invalid, fault.BadRequest, "heading is %q: say yes, no, or nothing", m.Heading)
}
