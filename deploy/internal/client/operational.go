package client

import (
	"context"
	"net/url"
	"time"
)

// Source is who sends, as registered.
type Source struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Owner    string   `json:"owner"`
	Steward  string   `json:"steward"`
	Offers   []string `json:"offers"`
	Format   string   `json:"format"`
	Trust    string   `json:"trust,omitempty"`
	Lateness string   `json:"lateness,omitempty"`
}

// Watermark says up to when a source is complete.
type Watermark struct {
	CompleteUntil *time.Time  `json:"completeUntil"`
	Pending       []time.Time `json:"pending"`
}

// ImportDraft begins an import.
type ImportDraft struct {
	Source   string            `json:"source"`
	FileName string            `json:"fileName"`
	Digest   string            `json:"digest"` // SHA-256 in hex
	Mapping  map[string]string `json:"mapping,omitempty"`
	Rows     int64             `json:"rows,omitempty"`
}

// Row is one line of a file as an item.
type Row struct {
	Row  int64 `json:"row"`
	Item any   `json:"item"`
}

// RowProblem is a row that was not let in.
type RowProblem struct {
	Row    int64  `json:"row"`
	Status string `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// RowsAnswer is what became of some rows.
type RowsAnswer struct {
	NextRow  int64            `json:"nextRow"`
	Counts   map[string]int64 `json:"counts"`
	Problems []RowProblem     `json:"problems"`
}

// Reading is how an import read its file.
type Reading struct {
	Run     string            `json:"run"`
	Mapping map[string]string `json:"mapping"`
}

// Statement accounts for every row of an import.
type Statement struct {
	Run          string            `json:"run"`
	Source       string            `json:"source"`
	FileName     string            `json:"fileName"`
	NextRow      int64             `json:"nextRow"`
	Finished     bool              `json:"finished"`
	RowsRead     int64             `json:"rowsRead"`
	Stored       int64             `json:"stored"`
	Duplicate    int64             `json:"duplicate"`
	Quarantined  int64             `json:"quarantined"`
	NotRequested int64             `json:"notRequested"`
	Invalid      int64             `json:"invalid"`
	Suppressed   int64             `json:"suppressed"`
	NotInForce   int64             `json:"notInForce"`
	Lost         int64             `json:"lost"`
	Waiting      int64             `json:"waiting"`
	CaughtUp     bool              `json:"caughtUp"`
	Mapping      map[string]string `json:"mapping"`
	// ReadOtherwise is the last finished import of the file, where it read the file otherwise.
	ReadOtherwise *Reading         `json:"readOtherwise"`
	Suspects      map[string]int64 `json:"suspects"`
	Problems      []RowProblem     `json:"problems"`
	Totals        struct {
		AmountMinor int64  `json:"amountMinor"`
		Currency    string `json:"currency"`
	} `json:"totals"`
	Owners []struct {
		Parameter string `json:"parameter"`
		Owner     string `json:"owner"`
		Steward   string `json:"steward"`
	} `json:"owners"`
}

// Accounted is the sum of all that can become of a row; with a caught-up statement it equals RowsRead.
func (s Statement) Accounted() int64 {
	return s.Stored + s.Duplicate + s.Quarantined + s.NotRequested + s.Invalid + s.Suppressed + s.NotInForce + s.Lost
}

// Conservation is the fate of every record of the event log.
type Conservation struct {
	Unaccounted int64 `json:"unaccounted"`
	Partitions  []struct {
		Epoch       int64 `json:"epoch"`
		Partition   int   `json:"partition"`
		Next        int64 `json:"next"`
		Stored      int64 `json:"stored"`
		Duplicate   int64 `json:"duplicate"`
		Quarantined int64 `json:"quarantined"`
		Lost        int64 `json:"lost"`
		NotInForce  int64 `json:"notInForce"`
		Unaccounted int64 `json:"unaccounted"`
	} `json:"partitions"`
}

const operational = "/api/operational/v1"

// Sources returns the registered sources.
func (c *Client) Sources(ctx context.Context) ([]Source, error) {
	var out struct{ Items []Source }
	err := c.Get(ctx, operational+"/sources", &out)
	return out.Items, err
}

// Register registers a source and returns its write key.
func (c *Client) Register(ctx context.Context, s Source) (writeKey string, err error) {
	var out struct{ WriteKey string }
	err = c.Post(ctx, operational+"/sources", s, &out)
	return out.WriteKey, err
}

// ChangeSource changes what was registered.
func (c *Client) ChangeSource(ctx context.Context, s Source) error {
	return c.Put(ctx, operational+"/sources/"+url.PathEscape(s.ID), s, nil)
}

// Complete declares a source complete until the beginning of the day.
func (c *Client) Complete(ctx context.Context, source, until string) (Watermark, error) {
	var w Watermark
	err := c.Post(ctx, operational+"/sources/"+url.PathEscape(source)+"/watermark", map[string]string{"completeUntil": until}, &w)
	return w, err
}

// Watermark returns up to when a source is complete.
func (c *Client) Watermark(ctx context.Context, source string) (Watermark, error) {
	var w Watermark
	err := c.Get(ctx, operational+"/sources/"+url.PathEscape(source)+"/watermark", &w)
	return w, err
}

// StartImport begins an import, or goes on with the open one of the same file.
func (c *Client) StartImport(ctx context.Context, d ImportDraft) (Statement, error) {
	var s Statement
	err := c.Post(ctx, operational+"/imports", d, &s)
	return s, err
}

// SendRows sends the next rows.
func (c *Client) SendRows(ctx context.Context, run string, rows []Row) (RowsAnswer, error) {
	var a RowsAnswer
	err := c.Post(ctx, operational+"/imports/"+url.PathEscape(run)+"/rows", rows, &a)
	return a, err
}

// FinishImport ends an import.
func (c *Client) FinishImport(ctx context.Context, run string) (Statement, error) {
	var s Statement
	err := c.Post(ctx, operational+"/imports/"+url.PathEscape(run)+"/finish", struct{}{}, &s)
	return s, err
}

// Import returns the statement of an import.
func (c *Client) Import(ctx context.Context, run string) (Statement, error) {
	var s Statement
	err := c.Get(ctx, operational+"/imports/"+url.PathEscape(run), &s)
	return s, err
}

// Conservation returns the account of ingest.
func (c *Client) Conservation(ctx context.Context) (Conservation, error) {
	var out Conservation
	err := c.Get(ctx, operational+"/ingest/conservation", &out)
	return out, err
}

// Dropped returns how often each property was sent and not kept because nobody asks for it.
func (c *Client) Dropped(ctx context.Context, source string) (map[string]int64, error) {
	var out struct {
		Items []struct {
			Name  string
			Count int64
		}
	}
	err := c.Get(ctx, operational+"/sources/"+url.PathEscape(source)+"/dropped", &out)
	counts := map[string]int64{}
	for _, i := range out.Items {
		counts[i.Name] = i.Count
	}
	return counts, err
}
