package export

import (
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
)

// perGroup is how many rows a row group holds: some megabytes.
const perGroup = 50_000

func writeParquet(w io.Writer, t Table, rows Rows) error {
	schema := parquet.NewSchema("rows", columns(t))
	options := []parquet.WriterOption{schema, parquet.MaxRowsPerRowGroup(perGroup), parquet.Compression(&parquet.Zstd)}
	options = append(options, parquet.KeyValueMetadata("title", t.Title))
	for i, n := range t.Notes {
		options = append(options, parquet.KeyValueMetadata("note."+strconv.Itoa(i+1), n))
	}
	for _, c := range t.Columns {
		options = append(options, parquet.KeyValueMetadata("column."+c.Name, c.Note))
	}
	out := parquet.NewWriter(w, options...)
	place := places(schema, t)
	line := make(parquet.Row, len(t.Columns))
	for row, err := range rows {
		if err == nil {
			err = checked(t, row)
		}
		if err != nil {
			return err
		}
		for i, v := range row {
			line[place[i]] = value(v, place[i])
		}
		if _, err := out.WriteRows([]parquet.Row{line}); err != nil {
			return err
		}
	}
	return out.Close()
}

// columns returns the schema's node. A group keeps its fields sorted by name, which readers go by.
func columns(t Table) parquet.Node {
	g := parquet.Group{}
	for _, c := range t.Columns {
		g[c.Name] = parquet.Optional(node(c.Type))
	}
	return g
}

func node(t Type) parquet.Node {
	switch t {
	case Integer:
		return parquet.Int(64)
	case Number:
		return parquet.Leaf(parquet.DoubleType)
	case Boolean:
		return parquet.Leaf(parquet.BooleanType)
	case Instant:
		return parquet.Timestamp(parquet.Millisecond)
	}
	return parquet.String()
}

// places returns where each of the table's columns is in the schema.
func places(s *parquet.Schema, t Table) []int {
	at := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		leaf, _ := s.Lookup(c.Name)
		at[i] = leaf.ColumnIndex
	}
	return at
}

func value(v any, column int) parquet.Value {
	if v == nil {
		return parquet.NullValue().Level(0, 0, column)
	}
	if at, ok := v.(time.Time); ok {
		v = at.UnixMilli()
	}
	return parquet.ValueOf(v).Level(0, 1, column)
}
