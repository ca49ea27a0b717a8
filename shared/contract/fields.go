package contract

// Field is one column of an entity that measures and conditions may name.
type Field struct {
	Value     ValueType
	Parameter ParameterName // the parameter it comes from; empty if every row has it
}

// Answer is one answer to a survey.
const Answer Entity = "answer"

// Parameters that the warehouse gives a meaning to. Any other parameter is a trait of the profile.
const (
	ParamCustomerID  ParameterName = "customer_id"
	ParamOrderTime   ParameterName = "order_time"
	ParamOrderAmount ParameterName = "order_amount"
	ParamOrderItems  ParameterName = "order_items"
	ParamNPS         ParameterName = "nps"
)

var fields = map[Entity]map[string]Field{
	CustomerDay: {
		"customer":    {Text, ParamCustomerID},
		"orders":      {Integer, ParamOrderTime},
		"revenue":     {AmountOf, ParamOrderAmount},
		"units":       {Integer, ParamOrderItems},
		"zero_orders": {Integer, ParamOrderAmount},
	},
	Customer: { // history up to the window's end
		"customer":      {Text, ParamCustomerID},
		"orders":        {Integer, ParamOrderTime},
		"purchase_days": {Integer, ParamOrderTime},
		"revenue":       {AmountOf, ParamOrderAmount},
		"units":         {Integer, ParamOrderItems},
		"new":           {Boolean, ParamOrderTime}, // first purchase inside the window
		"active":        {Boolean, ParamOrderTime}, // bought inside the window
		"active_before": {Boolean, ParamOrderTime}, // bought in the window before
	},
	Answer: {
		"customer": {Text, ParamCustomerID},
		"score":    {Score, ParamNPS},
	},
}

// FieldOf returns the field of an entity. A profile has a field for every parameter.
func FieldOf(e Entity, name string) (Field, bool) {
	if e == Profile {
		return Field{Value: Text, Parameter: ParameterName(name)}, snake.MatchString(name)
	}
	f, ok := fields[e][name]
	return f, ok
}

// FieldsOf returns the names of an entity's fields; none for a profile, whose fields are the parameters.
func FieldsOf(e Entity) []string {
	var names []string
	for n := range fields[e] {
		names = append(names, n)
	}
	return names
}
