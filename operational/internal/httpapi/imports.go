package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/imports"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
)

type importCursor struct {
	Before time.Time `json:"before"`
}

// ListImports implements StrictServerInterface.
func (c *Collecting) ListImports(ctx context.Context, r ListImportsRequestObject) (ListImportsResponseObject, error) {
	if err := c.may(ctx, actionImport, actionRead); err != nil {
		return nil, err
	}
	limit, err := httpx.Limit(r.Params.Limit)
	if err != nil {
		return nil, err
	}
	at := importCursor{Before: c.Now().Add(time.Hour)}
	if r.Params.Cursor != nil {
		if err := httpx.DecodeCursor(*r.Params.Cursor, &at); err != nil {
			return nil, err
		}
	}
	runs, err := c.Runs.List(ctx, c.Tenant, at.Before, limit+1)
	if err != nil {
		return nil, err
	}
	out := ListImports200JSONResponse{Items: []Import{}}
	if len(runs) > limit {
		runs = runs[:limit]
		next, err := httpx.EncodeCursor(importCursor{Before: runs[limit-1].StartedAt})
		if err != nil {
			return nil, err
		}
		out.Next = &next
	}
	for i := range runs {
		out.Items = append(out.Items, importDocument(&runs[i]))
	}
	return out, nil
}

// StartImport implements StrictServerInterface.
func (c *Collecting) StartImport(ctx context.Context, r StartImportRequestObject) (StartImportResponseObject, error) {
	if err := c.may(ctx, actionImport); err != nil {
		return nil, err
	}
	draft := imports.Run{Source: contract.SourceID(r.Body.Source), FileName: r.Body.FileName, Digest: r.Body.Digest, Rows: r.Body.Rows}
	if r.Body.Mapping != nil {
		draft.Mapping = *r.Body.Mapping
	}
	run, err := c.Imports.Start(ctx, draft)
	if err != nil {
		return nil, err
	}
	return StartImport200JSONResponse(importDocument(&run)), nil
}

// ImportRows implements StrictServerInterface.
func (c *Collecting) ImportRows(ctx context.Context, r ImportRowsRequestObject) (ImportRowsResponseObject, error) {
	if err := c.may(ctx, actionImport); err != nil {
		return nil, err
	}
	rows, err := rowsOf(&r)
	if err != nil {
		return nil, err
	}
	a, err := c.Imports.Take(ctx, imports.RunID(r.Run), rows)
	if err != nil {
		return nil, err
	}
	out := ImportRows200JSONResponse{FirstRow: a.FirstRow, LastRow: a.LastRow, NextRow: a.Next, Counts: map[string]int64{}, Problems: problemDocuments(a.Problems)}
	for code, n := range a.Counts {
		out.Counts[string(code)] = n
	}
	return out, nil
}

func rowsOf(r *ImportRowsRequestObject) ([]collect.Row, error) {
	if r.JSONBody == nil {
		return lines(r.Body)
	}
	rows := make([]collect.Row, len(*r.JSONBody))
	for i, row := range *r.JSONBody {
		rows[i] = collect.Row{Row: row.Row, Item: row.Item}
	}
	return rows, nil
}

// lines reads one row a line. The body's size is limited already.
func lines(body io.Reader) ([]collect.Row, error) {
	if body == nil {
		return nil, fault.New(fault.Invalid, fault.MissingField, "send rows as JSON or as NDJSON")
	}
	scanner := bufio.NewScanner(body)
	scanner.Buffer(nil, 2*collect.MaxItemBytes)
	var rows []collect.Row
	for scanner.Scan() {
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		var row Row
		if err := json.Unmarshal(line, &row); err != nil || row.Item == nil {
			return nil, fault.New(fault.Invalid, fault.BadRequest, `line %d is not {"row": 1, "item": {…}}`, len(rows)+1)
		}
		rows = append(rows, collect.Row{Row: row.Row, Item: row.Item})
	}
	if err := scanner.Err(); err != nil {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "line %d could not be read: a line has at most %d bytes", len(rows)+1, 2*collect.MaxItemBytes)
	}
	return rows, nil
}

// GetImport implements StrictServerInterface.
func (c *Collecting) GetImport(ctx context.Context, r GetImportRequestObject) (GetImportResponseObject, error) {
	if err := c.may(ctx, actionImport, actionRead); err != nil {
		return nil, err
	}
	s, err := c.statement(ctx, imports.RunID(r.Run))
	if err != nil {
		return nil, err
	}
	return GetImport200JSONResponse(s), nil
}

// FinishImport implements StrictServerInterface.
func (c *Collecting) FinishImport(ctx context.Context, r FinishImportRequestObject) (FinishImportResponseObject, error) {
	if err := c.may(ctx, actionImport); err != nil {
		return nil, err
	}
	var until time.Time
	if r.Body != nil && r.Body.CompleteUntil != nil {
		var err error
		if until, err = c.instant(*r.Body.CompleteUntil); err != nil {
			return nil, err
		}
		if err := c.may(ctx, actionDeclare); err != nil {
			return nil, err
		}
	}
	run, err := c.Imports.Finish(ctx, imports.RunID(r.Run))
	if err != nil {
		return nil, err
	}
	if !until.IsZero() {
		if _, err := c.Keeper.Declare(ctx, run.Source, until); err != nil {
			return nil, err
		}
	}
	s, err := c.statement(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	return FinishImport200JSONResponse(s), nil
}

func (c *Collecting) statement(ctx context.Context, id imports.RunID) (Statement, error) {
	s, err := c.Imports.Statement(ctx, id)
	if err != nil {
		return Statement{}, err
	}
	i := importDocument(&s.Run)
	d := Statement{Run: i.Run, Source: i.Source, FileName: i.FileName, Digest: i.Digest, Mapping: i.Mapping, ReadOtherwise: i.ReadOtherwise, Rows: i.Rows, NextRow: i.NextRow,
		Finished: i.Finished, StartedAt: i.StartedAt, FinishedAt: i.FinishedAt,
		RowsRead: s.RowsRead, Stored: s.Stored, Duplicate: s.Duplicate, Quarantined: s.Quarantined, NotRequested: s.NotRequested, Invalid: s.Invalid,
		Suppressed: s.Suppressed, NotInForce: s.NotInForce, Lost: s.Lost, Waiting: s.Waiting, CaughtUp: s.CaughtUp,
		Suspects: map[string]int64{"zero_amount": s.ZeroAmount, "identical_rows": s.Identical}, Problems: problemDocuments(s.Problems)}
	d.Totals.AmountMinor, d.Totals.Currency = s.Amount, c.Currency
	d.Owners = make([]ParameterOwner, len(s.Owners))
	for i, o := range s.Owners {
		d.Owners[i] = ParameterOwner{Parameter: string(o.Parameter), Owner: o.Owner, Steward: o.Steward}
	}
	return d, nil
}

func importDocument(r *imports.Run) Import {
	d := Import{Run: string(r.ID), Source: string(r.Source), FileName: r.FileName, Digest: r.Digest, Rows: r.Rows, NextRow: r.Next,
		Finished: r.FinishedAt != nil, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt}
	if len(r.Mapping) > 0 {
		d.Mapping = &r.Mapping
	}
	if o := r.Otherwise; o != nil {
		d.ReadOtherwise = &Reading{Run: string(o.Run), Mapping: o.Mapping}
	}
	return d
}

func problemDocuments(ps []imports.Problem) []RowProblem {
	out := make([]RowProblem, len(ps))
	for i, p := range ps {
		out[i] = RowProblem{Row: p.Row, Status: string(p.Status), Code: string(p.Code), Detail: optional(p.Detail)}
	}
	return out
}
