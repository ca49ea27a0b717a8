package suite

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

const tokenLife = 24 * time.Hour

// exposed says where broker and store are reached from other processes of this machine.
type exposed struct{ file string }

// expose lets the store listen, and writes the settings with which a service of its own process uses both: into a file,
// because they hold the credential.
func (s *Suite) expose(key string) (*exposed, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("expose the document store: %w", err)
	}
	go func() { _ = s.stores.docs.Serve(l) }() // ends with the store
	s.close = append(s.close, func(context.Context) error { _ = l.Close(); return nil })
	e := &exposed{file: filepath.Join(s.o.Dir, "exposed.env")}
	uri := fmt.Sprintf("mongodb://%s:%s@%s/?directConnection=true", s.stores.user, s.stores.secret, l.Addr())
	var text strings.Builder
	text.WriteString("# How a service in a process of its own reaches this suite's broker and store. Valid until it stops.\n")
	for _, layer := range Layers() {
		set := func(name, value string) {
			fmt.Fprintf(&text, "STRATA_%s_%s=%s\n", strings.ToUpper(string(layer)), name, value)
		}
		set("MONGO_URI", uri)
		set("KAFKA_BROKERS", strings.Join(s.stores.broker.Brokers(), ","))
		set("KAFKA_USERNAME", s.stores.user)
		set("KAFKA_PASSWORD", s.stores.secret)
		if layer == contract.Operational {
			set("TENANT_KEY", key)
		}
	}
	return e, writeWhole(e.file, text.String())
}

// Exposed returns the file that says how broker and store are reached from other processes; empty if they are not.
func (s *Suite) Exposed() string {
	if s.exposing == nil {
		return ""
	}
	return s.exposing.file
}
