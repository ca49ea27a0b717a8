package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// special answers the parser of an operator whose argument is not a plain list of operands; nil when there is none.
func special(name string) parser {
	if datePart(name) != nil {
		return parseDatePart
	}
	switch name {
	case "$literal", "$const":
		return parseLiteral
	case "$and", "$or":
		return parseLogic
	case "$cond":
		return parseCond
	case "$ifNull":
		return parseIfNull
	case "$switch":
		return parseSwitch
	case "$let":
		return parseLet
	case "$map":
		return parseMap
	case "$filter":
		return parseFilter
	case "$reduce":
		return parseReduce
	case "$zip":
		return parseZip
	case "$sortArray":
		return parseSortArray
	case "$firstN", "$lastN", "$minN", "$maxN":
		return parseNItems
	case "$trim", "$ltrim", "$rtrim":
		return parseTrim
	case "$replaceOne", "$replaceAll":
		return parseReplace
	case "$regexMatch", "$regexFind", "$regexFindAll":
		return parseRegex
	case "$setUnion":
		return parseSetUnion
	case "$setEquals":
		return parseSetEquals
	case "$getField":
		return parseGetField
	case "$setField", "$unsetField":
		return parseSetField
	case "$rand":
		return parseRand
	case "$meta":
		return parseMeta
	case "$convert":
		return parseConvert
	case "$dateToParts":
		return parseDateToParts
	case "$dateFromParts":
		return parseDateFromParts
	case "$dateToString":
		return parseDateToString
	case "$dateFromString":
		return parseDateFromString
	case "$dateAdd", "$dateSubtract":
		return parseDateAdd
	case "$dateDiff":
		return parseDateDiff
	case "$dateTrunc":
		return parseDateTrunc
	case "$median", "$percentile":
		return parsePercentile
	case "$function", "$accumulator", "$_internalJsEmit", "$toHashedIndexKey":
		return parseLeftOut
	}
	return nil
}

func parseLeftOut(name string, _ bson.RawValue, _ *Scope) (Expr, error) {
	return nil, ErrUnsupported("the expression %s", name)
}

func isConversion(name string) bool {
	switch name {
	case "$toInt", "$toLong", "$toDouble", "$toDecimal", "$toString", "$toBool", "$toDate", "$toObjectId", "$toUUID":
		return true
	}
	return false
}

func within(lo, hi float64) func(float64) bool {
	return func(f float64) bool { return f >= lo && f <= hi }
}

// functions are the operators with positional arguments. The table is never changed.
var functions = map[string]operator{
	"$add":      {0, -1, opAdd},
	"$subtract": {2, 2, opSubtract},
	"$multiply": {0, -1, opMultiply},
	"$divide":   {2, 2, opDivide},
	"$mod":      {2, 2, opMod},
	"$pow":      {2, 2, opPow},
	"$log":      {2, 2, opLog},
	"$abs":      unary("$abs", absValue),
	"$ceil":     unary("$ceil", keepIntegers(math.Ceil)),
	"$floor":    unary("$floor", keepIntegers(math.Floor)),
	"$round":    rounding("$round", true),
	"$trunc":    rounding("$trunc", false),
	"$exp":      floatFunc("$exp", math.Exp, nil, 0, ""),
	"$sqrt":     floatFunc("$sqrt", math.Sqrt, func(f float64) bool { return f >= 0 }, 28714, "$sqrt's argument must be greater than or equal to 0"),
	"$ln":       floatFunc("$ln", ln, func(f float64) bool { return f > 0 }, 28766, "$ln's argument must be a positive number"),
	"$log10":    floatFunc("$log10", log10, func(f float64) bool { return f > 0 }, 28761, "$log10's argument must be a positive number"),
	"$sigmoid":  {1, 1, opSigmoid},

	"$sin":              floatFunc("$sin", math.Sin, finite, 50989, "cannot apply $sin to this value, it must be in (-inf,inf)"),
	"$cos":              floatFunc("$cos", math.Cos, finite, 50989, "cannot apply $cos to this value, it must be in (-inf,inf)"),
	"$tan":              floatFunc("$tan", math.Tan, finite, 50989, "cannot apply $tan to this value, it must be in (-inf,inf)"),
	"$asin":             floatFunc("$asin", math.Asin, within(-1, 1), 50989, "cannot apply $asin to this value, it must be in [-1,1]"),
	"$acos":             floatFunc("$acos", math.Acos, within(-1, 1), 50989, "cannot apply $acos to this value, it must be in [-1,1]"),
	"$atan":             floatFunc("$atan", math.Atan, nil, 0, ""),
	"$sinh":             floatFunc("$sinh", math.Sinh, nil, 0, ""),
	"$cosh":             floatFunc("$cosh", math.Cosh, nil, 0, ""),
	"$tanh":             floatFunc("$tanh", math.Tanh, nil, 0, ""),
	"$asinh":            floatFunc("$asinh", math.Asinh, nil, 0, ""),
	"$acosh":            floatFunc("$acosh", math.Acosh, within(1, math.Inf(1)), 50989, "cannot apply $acosh to this value, it must be in [1,inf]"),
	"$atanh":            floatFunc("$atanh", math.Atanh, within(-1, 1), 50989, "cannot apply $atanh to this value, it must be in [-1,1]"),
	"$atan2":            {2, 2, opAtan2},
	"$degreesToRadians": floatFunc("$degreesToRadians", func(f float64) float64 { return f * (math.Pi / 180) }, nil, 0, ""),
	"$radiansToDegrees": floatFunc("$radiansToDegrees", func(f float64) float64 { return f * (180 / math.Pi) }, nil, 0, ""),

	"$bitAnd": bitwise("$bitAnd", -1, func(a, b int64) int64 { return a & b }),
	"$bitOr":  bitwise("$bitOr", 0, func(a, b int64) int64 { return a | b }),
	"$bitXor": bitwise("$bitXor", 0, func(a, b int64) int64 { return a ^ b }),
	"$bitNot": {1, 1, opBitNot},

	"$eq":  comparison(func(c int) bool { return c == 0 }),
	"$ne":  comparison(func(c int) bool { return c != 0 }),
	"$gt":  comparison(func(c int) bool { return c > 0 }),
	"$gte": comparison(func(c int) bool { return c >= 0 }),
	"$lt":  comparison(func(c int) bool { return c < 0 }),
	"$lte": comparison(func(c int) bool { return c <= 0 }),
	"$cmp": {2, 2, opCmp},
	"$not": {1, 1, opNot},

	"$arrayElemAt":   {2, 2, opArrayElemAt},
	"$first":         firstLast("$first", 0),
	"$last":          firstLast("$last", -1),
	"$concatArrays":  {0, -1, opConcatArrays},
	"$in":            {2, 2, opIn},
	"$indexOfArray":  {2, 4, opIndexOfArray},
	"$isArray":       {1, 1, opIsArray},
	"$size":          {1, 1, opSize},
	"$reverseArray":  {1, 1, opReverseArray},
	"$range":         {2, 3, opRange},
	"$slice":         {2, 3, opSlice},
	"$arrayToObject": {1, 1, opArrayToObject},
	"$objectToArray": {1, 1, opObjectToArray},

	"$setIntersection": {0, -1, opSetIntersection},
	"$setDifference":   {2, 2, opSetDifference},
	"$setIsSubset":     {2, 2, opSetIsSubset},
	"$anyElementTrue":  elementsTrue("$anyElementTrue", 17041, true),
	"$allElementsTrue": elementsTrue("$allElementsTrue", 17040, false),

	"$concat":       {0, -1, opConcat},
	"$toLower":      {1, 1, caseMapping('A', 'a')},
	"$toUpper":      {1, 1, caseMapping('a', 'A')},
	"$strcasecmp":   {2, 2, opStrcasecmp},
	"$strLenBytes":  {1, 1, opStrLenBytes},
	"$strLenCP":     {1, 1, opStrLenCP},
	"$substr":       {3, 3, opSubstrBytes},
	"$substrBytes":  {3, 3, opSubstrBytes},
	"$substrCP":     {3, 3, opSubstrCP},
	"$indexOfBytes": {2, 4, opIndexOfBytes},
	"$indexOfCP":    {2, 4, opIndexOfCP},
	"$split":        {2, 2, opSplit},

	"$mergeObjects": {0, -1, opMergeObjects},
	"$bsonSize":     {1, 1, opBsonSize},
	"$binarySize":   {1, 1, opBinarySize},
	"$type":         {1, 1, opType},
	"$isNumber":     {1, 1, opIsNumber},

	"$toInt":      shortConversion(bson.TypeInt32, conversion{}),
	"$toLong":     shortConversion(bson.TypeInt64, conversion{}),
	"$toDouble":   shortConversion(bson.TypeDouble, conversion{}),
	"$toDecimal":  shortConversion(bson.TypeDecimal128, conversion{}),
	"$toString":   shortConversion(bson.TypeString, conversion{format: "auto"}),
	"$toBool":     shortConversion(bson.TypeBoolean, conversion{}),
	"$toDate":     shortConversion(bson.TypeDateTime, conversion{}),
	"$toObjectId": shortConversion(bson.TypeObjectID, conversion{}),
	"$toUUID":     shortConversion(bson.TypeBinary, conversion{subtype: bson.TypeBinaryUUID, format: "uuid"}),

	"$sum":        {0, -1, opSum},
	"$avg":        {0, -1, opAvg},
	"$min":        {0, -1, extreme(-1)},
	"$max":        {0, -1, extreme(1)},
	"$stdDevPop":  {0, -1, stdDev("$stdDevPop", false)},
	"$stdDevSamp": {0, -1, stdDev("$stdDevSamp", true)},

	"$tsSecond":    {1, 1, timestampPart("$tsSecond", func(t, _ uint32) uint32 { return t })},
	"$tsIncrement": {1, 1, timestampPart("$tsIncrement", func(_, i uint32) uint32 { return i })},
}
