package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Settings are what cannot change once a tenant has events: every stored day, amount and customer key depends on them.
type Settings struct {
	Zone      string `bson:"zone"`
	Currency  string `bson:"currency"`
	WeekStart string `bson:"weekStart"`
	Key       string `bson:"key"` // fingerprint of the tenant's key
}

// Fix stores the settings while the tenant has no events, and afterwards refuses others with an error that names them.
func Fix(ctx context.Context, db *mongodb.DB, t contract.TenantID, s Settings) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		c := db.Collection(settingsCollection)
		var stored Settings
		err := mongodb.Fault(c.FindOne(ctx, byID(string(t))).Decode(&stored))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return fmt.Errorf("tenant's settings: %w", err)
		}
		if err == nil && stored == s {
			return nil
		}
		if err == nil {
			if err := forbidden(ctx, db, t, stored, s); err != nil {
				return err
			}
		}
		_, err = c.ReplaceOne(ctx, byID(string(t)), s, upsert)
		return mongodb.Fault(err)
	})
}

func forbidden(ctx context.Context, db *mongodb.DB, t contract.TenantID, was, is Settings) error {
	err := mongodb.Fault(db.Collection(lakeCollection).FindOne(ctx, bson.D{{Key: "tenant", Value: t}}).Err())
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if was.Key != is.Key {
		return fault.New(fault.Conflict, fault.BadDefinition,
			"tenant.key is not the key that this tenant's customers were recognised with: put the former key back from its back-up")
	}
	return fault.New(fault.Conflict, fault.BadDefinition,
		"tenant.zone, tenant.currency and tenant.weekstart are fixed after the first event: they were %s, %s, %s and would become %s, %s, %s",
		was.Zone, was.Currency, was.WeekStart, is.Zone, is.Currency, is.WeekStart)
}
