package export

import (
	"errors"
	"io"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/strata-crm/strata/shared/fault"
)

// The sheets of a workbook.
const (
	rowsSheet  = "Rows"
	aboutSheet = "About"
)

func writeExcel(w io.Writer, t Table, rows Rows) (err error) {
	book := excelize.NewFile()
	defer func() { err = errors.Join(err, book.Close()) }()
	if err := book.SetSheetName("Sheet1", rowsSheet); err != nil {
		return err
	}
	if err := fill(book, t, rows); err != nil {
		return err
	}
	if err := about(book, t); err != nil {
		return err
	}
	return book.Write(w)
}

func fill(book *excelize.File, t Table, rows Rows) error {
	sheet, err := book.NewStreamWriter(rowsSheet)
	if err != nil {
		return err
	}
	instant, err := book.NewStyle(&excelize.Style{CustomNumFmt: of("yyyy-mm-dd hh:mm:ss")})
	if err != nil {
		return err
	}
	if err := sheet.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	line := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		line[i] = c.Name
	}
	if err := sheet.SetRow("A1", line); err != nil {
		return err
	}
	n := 1
	for row, err := range rows {
		if err == nil {
			err = checked(t, row)
		}
		if err != nil {
			return err
		}
		if n++; n > excelize.TotalRows {
			return fault.New(fault.Invalid, fault.BadRequest, "an Excel sheet holds no more than %d rows: ask for csv or parquet", excelize.TotalRows-1)
		}
		for i, v := range row {
			line[i] = v
			if at, ok := v.(time.Time); ok {
				line[i] = excelize.Cell{StyleID: instant, Value: at.UTC()}
			}
		}
		at, err := excelize.CoordinatesToCellName(1, n)
		if err != nil {
			return err
		}
		if err := sheet.SetRow(at, line); err != nil {
			return err
		}
	}
	return sheet.Flush()
}

func of[T any](v T) *T { return &v }

// about writes the sheet that says what the rows are.
func about(book *excelize.File, t Table) error {
	if _, err := book.NewSheet(aboutSheet); err != nil {
		return err
	}
	sheet, err := book.NewStreamWriter(aboutSheet)
	if err != nil {
		return err
	}
	lines := [][]any{{t.Title}}
	for _, n := range t.Notes {
		lines = append(lines, []any{n})
	}
	lines = append(lines, []any{}, []any{"column", "meaning"})
	for _, c := range t.Columns {
		lines = append(lines, []any{c.Name, c.Note})
	}
	for i, line := range lines {
		at, err := excelize.CoordinatesToCellName(1, i+1)
		if err != nil {
			return err
		}
		if err := sheet.SetRow(at, line); err != nil {
			return err
		}
	}
	return sheet.Flush()
}
