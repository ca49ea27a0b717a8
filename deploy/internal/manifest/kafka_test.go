package manifest_test

import (
	"encoding/xml"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/realkafka"
	"github.com/strata-crm/strata/shared/contract"
)

// raised are the settings that depend on the number of brokers, with their values for three.
var raised = map[string]string{
	"default.replication.factor": "3", "min.insync.replicas": "2", "offsets.topic.replication.factor": "3",
	"transaction.state.log.replication.factor": "3", "transaction.state.log.min.isr": "2",
	"share.coordinator.state.topic.replication.factor": "3", "share.coordinator.state.topic.min.isr": "2",
}

// perNode are the settings that a broker's place decides.
var perNode = regexp.MustCompile(`^(process\.roles|node\.id|listeners|advertised\.listeners|listener\.security\.protocol\.map|` +
	`inter\.broker\.listener\.name|controller\.listener\.names|controller\.quorum\.voters|log\.dirs)$`)

func brokerSettings(t *testing.T) map[string]string {
	t.Helper()
	s, err := realkafka.Settings(filepath.Join(root, "kafka", "broker.properties"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestComposeBrokers compares every broker's settings with those that `make test-kafka` runs.
func TestComposeBrokers(t *testing.T) {
	t.Parallel()
	c := compose(t)
	one := brokerSettings(t)
	three := maps.Clone(one)
	maps.Copy(three, raised)
	for name, want := range map[string]map[string]string{"kafka": one, "kafka-1": three, "kafka-2": three, "kafka-3": three} {
		got := map[string]string{}
		for variable, value := range c.Services[name].Environment {
			setting := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "KAFKA_"), "_", "."))
			if strings.HasPrefix(variable, "KAFKA_") && !perNode.MatchString(setting) {
				got[setting] = value
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
		if advertised := c.Services[name].Environment["KAFKA_ADVERTISED_LISTENERS"]; advertised != "CLIENTS://"+name+":9092" {
			t.Errorf("%s advertises %s", name, advertised)
		}
		id := strings.TrimPrefix(strings.TrimPrefix(name, "kafka"), "-")
		if id == "" {
			id = "1"
		}
		voters := c.Services[name].Environment["KAFKA_CONTROLLER_QUORUM_VOTERS"]
		if c.Services[name].Environment["KAFKA_NODE_ID"] != id || !slices.Contains(strings.Split(voters, ","), id+"@"+name+":9093") {
			t.Errorf("%s is node %s of the voters %s", name, c.Services[name].Environment["KAFKA_NODE_ID"], voters)
		}
	}
}

// TestBrokerSettingsServeTheTopics holds the brokers' settings against the topics that set-up makes.
func TestBrokerSettingsServeTheTopics(t *testing.T) {
	t.Parallel()
	one := brokerSettings(t)
	for name, want := range map[string]string{"auto.create.topics.enable": "false", "unclean.leader.election.enable": "false", "log.cleanup.policy": "delete"} {
		if one[name] != want {
			t.Errorf("%s is %q, want %s", name, one[name], want)
		}
	}
	if raised["min.insync.replicas"] >= raised["default.replication.factor"] {
		t.Error("one broker of three may be away: fewer confirmations are needed than there are copies")
	}
	for name := range raised {
		if one[name] != "1" {
			t.Errorf("%s is %q for one broker, want 1", name, one[name])
		}
	}
	for _, s := range contract.Specs() {
		if s.Config["max.message.bytes"] != one["message.max.bytes"] {
			t.Errorf("%s takes messages of %s bytes, the broker %s", s.Name, s.Config["max.message.bytes"], one["message.max.bytes"])
		}
		retention := milliseconds(t, s.Config["retention.ms"])
		if broker := milliseconds(t, one["log.retention.ms"]); broker < retention {
			t.Errorf("%s is kept %s, the brokers keep %s", s.Name, retention, broker)
		}
		minutes, err := strconv.Atoi(one["offsets.retention.minutes"])
		if err != nil || time.Duration(minutes)*time.Minute < retention {
			t.Errorf("offsets are kept %d minutes (%v), the messages of %s %s", minutes, err, s.Name, retention)
		}
	}
}

func milliseconds(t *testing.T, text string) time.Duration {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Millisecond
}

// TestKafkaVersions: the version that is tested is the version that the Compose file runs, and every jar of it is pinned.
func TestKafkaVersions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "kafka", "pom.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var pom struct {
		Properties struct {
			Version string `xml:"kafka.version"`
		} `xml:"properties"`
	}
	if err := xml.Unmarshal(text, &pom); err != nil {
		t.Fatal(err)
	}
	version := pom.Properties.Version
	for name, s := range compose(t).Services {
		if strings.HasPrefix(name, "kafka") && s.Image != "apache/kafka:"+version {
			t.Errorf("%s runs %s, tested is %s", name, s.Image, version)
		}
	}
	sums, err := os.ReadFile(filepath.Join(root, "kafka", "jars.sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, jar := range []string{"kafka_2.13-" + version + ".jar", "kafka-clients-" + version + ".jar", "kafka-server-" + version + ".jar"} {
		if !strings.Contains(string(sums), "  "+jar+"\n") {
			t.Errorf("%s is not pinned", jar)
		}
	}
}
