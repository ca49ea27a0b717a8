package expr

// special answers the parser of an operator whose argument is not a plain list of operands; nil when there is none.
func special(name string) parser {
	switch name {
	case "$literal", "$const":
		return parseLiteral
	}
	return nil
}

func isConversion(name string) bool {
	switch name {
	case "$toInt", "$toLong", "$toDouble", "$toDecimal", "$toString", "$toBool", "$toDate", "$toObjectId", "$toUUID", "$toArray", "$toObject":
		return true
	}
	return false
}

// functions are the operators with positional arguments.
var functions = map[string]operator{}
