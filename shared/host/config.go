// Package host is what every service's main shares: the part of the configuration that says where things are, the
// connections made from it, and the order load → connect → verify → build → serve. It owns no route and no rule; a
// service's own New gets what it needs from [Deps] and builds the rest.
package host

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Config is the configuration that all services have in common. A service embeds it in its own.
type Config struct {
	Tenant    Tenant
	Mongo     Mongo
	Kafka     Kafka
	HTTP      HTTP
	SignIn    SignIn
	Telemetry Reporting
}

// Tenant is the organisation. Zone, week start and currency are fixed after its first event.
type Tenant struct {
	ID        contract.TenantID `config:"tenant.id" default:"main"`
	Zone      string            `config:"tenant.zone" default:"UTC"`     // IANA name
	Currency  string            `config:"tenant.currency" default:"USD"` // ISO 4217, of reports
	WeekStart string            `config:"tenant.weekstart" default:"monday"`
}

// Mongo says which database.
type Mongo struct {
	URI      string `config:"mongo.uri" default:"mongodb://127.0.0.1:27017/?replicaSet=rs0" secret:"true"`
	Database string `config:"mongo.database"` // empty: strata_<layer>
}

// Kafka says which brokers.
type Kafka struct {
	Brokers  []string `config:"kafka.brokers" default:"127.0.0.1:9092"`
	Username string   `config:"kafka.username"`
	Password string   `config:"kafka.password" secret:"true"`
	TLS      bool     `config:"kafka.tls"`
}

// HTTP says where to listen.
type HTTP struct {
	Listen string `config:"http.listen"` // empty: the layer's port on loopback
	Beyond bool   `config:"http.beyondloopback"`
}

// SignIn says whose tokens are believed: an OpenID Connect issuer, or the built-in one of another process.
type SignIn struct {
	Issuer   string `config:"signin.issuer"`
	Audience string `config:"signin.audience"`
	Roles    string `config:"signin.roleclaim" default:"roles"`
	JWKS     string `config:"signin.jwks"`
}

// Reporting says what is reported, and where.
type Reporting struct {
	Endpoint string `config:"telemetry.endpoint"` // OTLP over HTTP; empty: metrics are served only
	Format   string `config:"telemetry.logformat" default:"json"`
	Level    string `config:"telemetry.loglevel" default:"info"`
}

// Location returns the tenant's time zone.
func (t Tenant) Location() (*time.Location, error) {
	zone, err := time.LoadLocation(t.Zone)
	if err != nil {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "tenant.zone %q is not an IANA time zone such as Europe/Vienna", t.Zone)
	}
	return zone, nil
}

var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// FirstDay returns the day that the tenant's weeks begin on; Monday where none is named.
func (t Tenant) FirstDay() time.Weekday {
	return time.Weekday((max(0, slices.Index(weekdays, t.WeekStart)) + 1) % 7)
}

// Validate checks what the tags cannot. config.Load calls it through the embedding service's configuration.
func (c *Config) Validate() error {
	if !c.Tenant.ID.Valid() {
		return fault.New(fault.Invalid, fault.BadRequest, "tenant.id %q must match [a-z0-9-]{1,40}", c.Tenant.ID)
	}
	if len(c.Tenant.Currency) != 3 {
		return fault.New(fault.Invalid, fault.BadRequest, "tenant.currency %q must be an ISO 4217 code such as EUR", c.Tenant.Currency)
	}
	if !slices.Contains(weekdays, c.Tenant.WeekStart) {
		return fault.New(fault.Invalid, fault.BadRequest, "tenant.weekstart %q must be one of %s", c.Tenant.WeekStart, strings.Join(weekdays, ", "))
	}
	if c.HTTP.Listen != "" {
		if _, err := netip.ParseAddrPort(c.HTTP.Listen); err != nil {
			return fault.New(fault.Invalid, fault.BadRequest, "http.listen %q must be address:port, such as 127.0.0.1:7071", c.HTTP.Listen)
		}
	}
	_, err := c.Tenant.Location()
	return err
}

// ports are where the services listen when nothing else is said.
var ports = map[contract.Layer]int{contract.Strategic: 7071, contract.Functional: 7072, contract.Operational: 7073}

func (c *Config) listen(l contract.Layer) string {
	if c.HTTP.Listen != "" {
		return c.HTTP.Listen
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[l])
}

func (c *Config) database(l contract.Layer) string {
	if c.Mongo.Database != "" {
		return c.Mongo.Database
	}
	return "strata_" + string(l)
}
