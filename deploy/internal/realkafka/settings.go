package realkafka

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/strata-crm/strata/shared/fault"
)

// Settings reads a file of broker settings: lines `name=value`, comments with #. No continuation lines, no escapes.
func Settings(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read broker settings: %w", err)
	}
	defer f.Close()
	settings := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if _, twice := settings[name]; !ok || twice {
			return nil, fault.New(fault.Invalid, fault.BadRequest, "%s: %q is not a setting, or is there twice", file, line)
		}
		settings[name] = value
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read broker settings: %w", err)
	}
	return settings, nil
}

// network is where a node listens: a port for clients, and one that a KRaft controller needs for itself.
type network struct{ clients, controller string }

// place is which node of which cluster a broker is.
type place struct {
	node int // from 0
	all  []network
}

func (p place) own() network { return p.all[p.node] }

// voters names all nodes as controllers.
func (p place) voters() string {
	var all []string
	for i, n := range p.all {
		all = append(all, fmt.Sprintf("%d@%s", i+1, n.controller))
	}
	return strings.Join(all, ",")
}

// Ports that a client's connection is never given by itself on Linux (32768 to 60999) or Windows (from 49152), so that nobody
// takes one by chance before the broker does.
const (
	lowestPort = 20_000
	ports      = 12_000
	tries      = 1_000
)

// freePorts returns loopback addresses for so many nodes that are free now.
func freePorts(nodes int) ([]network, error) {
	all := make([]network, nodes)
	for i := range all {
		for _, address := range []*string{&all[i].clients, &all[i].controller} {
			l, err := listen()
			if err != nil {
				return nil, fmt.Errorf("find a free port: %w", err)
			}
			defer l.Close() // only after all, so that they differ
			*address = l.Addr().String()
		}
	}
	return all, nil
}

func listen() (l net.Listener, err error) {
	for range tries {
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(lowestPort+rand.IntN(ports)))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// writeSettings writes what the broker is started with: the given settings and those that only this node has.
func writeSettings(file, dir string, p place, given map[string]string) error {
	all, n := maps.Clone(given), p.own()
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, map[string]string{
		"process.roles": "broker,controller", "node.id": strconv.Itoa(p.node + 1),
		"listeners":                      "CLIENTS://" + n.clients + ",CONTROLLER://" + n.controller,
		"advertised.listeners":           "CLIENTS://" + n.clients,
		"listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "CLIENTS",
		"controller.listener.names":      "CONTROLLER",
		"controller.quorum.voters":       p.voters(),
		"log.dirs":                       filepath.Join(dir, "log"),
		// A broker that crashed is let in again when its session is over. Others take over meanwhile in a cluster; here
		// the tests would wait for the usual 9 seconds.
		"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500",
	})
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s=%s\n", name, all[name])
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write broker settings: %w", err)
	}
	return nil
}
