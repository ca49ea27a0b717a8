package httpapi

import (
	"context"

	"github.com/strata-crm/strata/operational/internal/ingest"
)

// GetConservation implements StrictServerInterface.
func (c *Collecting) GetConservation(ctx context.Context, _ GetConservationRequestObject) (GetConservationResponseObject, error) {
	if err := c.may(ctx, actionRead); err != nil {
		return nil, err
	}
	balances, err := c.Account.Balances(ctx)
	if err != nil {
		return nil, err
	}
	out := GetConservation200JSONResponse{Partitions: make([]Balance, len(balances))}
	for i := range balances {
		out.Partitions[i] = balanceDocument(&balances[i])
		out.Unaccounted += max(out.Partitions[i].Unaccounted, -out.Partitions[i].Unaccounted)
	}
	return out, nil
}

func balanceDocument(b *ingest.Balance) Balance {
	d := Balance{Epoch: b.Epoch, Partition: b.Partition, Next: b.Next, Stored: b.Stored, Removed: b.Counts.Removed, Duplicate: b.Counts.Duplicate,
		Quarantined: b.Counts.Quarantined, Suppressed: b.Counts.Suppressed, NotInForce: b.Counts.NotInForce, Lost: b.Counts.Lost,
		Unaccounted: b.Unaccounted(), Holes: []Hole{}}
	for _, h := range b.Holes {
		d.Holes = append(d.Holes, Hole{From: h.From, To: h.To, At: h.At})
	}
	return d
}

// ListQuarantine implements StrictServerInterface.
func (c *Collecting) ListQuarantine(ctx context.Context, _ ListQuarantineRequestObject) (ListQuarantineResponseObject, error) {
	if err := c.may(ctx, actionRead); err != nil {
		return nil, err
	}
	counts, err := c.Aside.CountAside(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	out := ListQuarantine200JSONResponse{Items: make([]SetAside, len(counts))}
	for i, n := range counts {
		out.Items[i] = SetAside{Source: optional(string(n.Source)), Reason: string(n.Reason), Count: n.Count}
	}
	return out, nil
}
