package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/config"
	"github.com/strata-crm/strata/shared/fault"
)

// level is a setting with a text form of its own.
type level int

func (l *level) UnmarshalText(b []byte) error {
	if string(b) != "high" {
		return errors.New("not a level")
	}
	*l = 3
	return nil
}

func (l level) String() string { return fmt.Sprintf("level %d", int(l)) }

type sample struct {
	Mongo struct {
		URI      string `config:"uri" required:"true" secret:"true"`
		Database string `config:"database" default:"strata"`
	} `config:"mongo"`
	Listen  string        `config:"http.listen" default:"127.0.0.1:7071"`
	Timeout time.Duration `config:"http.idle_timeout" default:"30s"`
	Brokers []string      `config:"kafka.brokers" default:"a:1, b:2"`
	Retries int           `config:"kafka.retries" default:"3"`
	Rate    float64       `config:"kafka.rate"`
	Public  bool          `config:"http.public"`
	Level   level         `config:"log.level"`
}

func TestLoadTakesEnvironmentOverFileOverDefault(t *testing.T) {
	t.Parallel()
	name := write(t, "strategic:\n  mongo: {uri: from-file, database: file}\n  kafka:\n    brokers: [x:1, y:2]\n    rate: 0.5\nfunctional:\n  anything: {goes: here}\n")
	got, err := config.Load[sample]("strategic", []string{
		"STRATA_STRATEGIC_MONGO_URI=from-env", "STRATA_STRATEGIC_HTTP_PUBLIC=true", "STRATA_STRATEGIC_LOG_LEVEL=high",
		"STRATA_FUNCTIONAL_MONGO_URI=other", "STRATA_TEST_MONGODB_URI=tool", "PATH=/bin",
	}, name)
	if err != nil {
		t.Fatal(err)
	}
	want := sample{
		Listen: "127.0.0.1:7071", Timeout: 30 * time.Second, Brokers: []string{"x:1", "y:2"}, Retries: 3, Rate: 0.5, Public: true, Level: 3,
	}
	want.Mongo.URI, want.Mongo.Database = "from-env", "file"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("configuration (-want +got):\n%s", d)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	uri := "STRATA_STRATEGIC_MONGO_URI=mongodb://u:hush@h"
	for name, tt := range map[string]struct {
		environ []string
		file    string
		want    []string
	}{
		"an unknown variable":       {[]string{uri, "STRATA_STRATEGIC_MONGO_URL=x"}, "", []string{"STRATA_STRATEGIC_MONGO_URL", "did you mean STRATA_STRATEGIC_MONGO_URI?"}},
		"a misspelt layer":          {[]string{uri, "STRATA_STRATEGC_MONGO_DATABASE=x"}, "", []string{"STRATA_STRATEGC_MONGO_DATABASE", "did you mean STRATA_STRATEGIC_MONGO_DATABASE?"}},
		"an unknown key":            {[]string{uri}, "strategic: {http: {lisen: x}}", []string{"strategic.http.lisen", "did you mean strategic.http.listen?"}},
		"an unknown layer":          {[]string{uri}, "strategi: {http: {listen: x}}", []string{"strategi", "did you mean strategic?"}},
		"an unknown top key":        {[]string{uri}, "strategic: {http.listen: x, other: 1}", []string{"strategic.other"}},
		"a missing required value":  {nil, "", []string{"STRATA_STRATEGIC_MONGO_URI is not set", "strategic.mongo.uri"}},
		"a duration without unit":   {[]string{uri, "STRATA_STRATEGIC_HTTP_IDLE_TIMEOUT=30"}, "", []string{"STRATA_STRATEGIC_HTTP_IDLE_TIMEOUT", `"30"`, "a duration such as 30s"}},
		"a number out of words":     {[]string{uri}, "strategic: {kafka: {retries: many}}", []string{"strategic.kafka.retries in the configuration file", "a whole number"}},
		"a list for a text":         {[]string{uri}, "strategic: {http: {listen: [a, b]}}", []string{"strategic.http.listen"}},
		"a value for a section":     {[]string{uri}, "strategic: 5", []string{"must hold sections"}},
		"a text form of its own":    {[]string{uri, "STRATA_STRATEGIC_LOG_LEVEL=low"}, "", []string{"STRATA_STRATEGIC_LOG_LEVEL", "a valid level"}},
		"two problems at once":      {[]string{uri, "STRATA_STRATEGIC_A_B=1", "STRATA_STRATEGIC_C_D=1"}, "", []string{"STRATA_STRATEGIC_A_B", "STRATA_STRATEGIC_C_D"}},
		"what is not YAML":          {[]string{uri}, "strategic:\n  mongo: {uri: 'hush", []string{"cannot be read as YAML"}},
		"a file with one text only": {[]string{uri}, "hush-hush-hush", []string{"cannot be read as YAML"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := ""
			if tt.file != "" {
				file = write(t, tt.file)
			}
			_, err := config.Load[sample]("strategic", tt.environ, file)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("error %q tells a secret", err)
			}
		})
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load[sample]("strategic", nil, filepath.Join(t.TempDir(), "none.yaml"))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "none.yaml does not exist") {
		t.Errorf("got %v", err)
	}
}

type secretNumber struct {
	Pin int `config:"door.pin" secret:"true"`
}

func TestSecretsStayOutOfErrorsAndDescriptions(t *testing.T) {
	t.Parallel()
	_, err := config.Load[secretNumber]("local", []string{"STRATA_LOCAL_DOOR_PIN=12x4"}, "")
	if err == nil || strings.Contains(err.Error(), "12x4") {
		t.Errorf("error %v is missing or tells the secret", err)
	}
	c := sample{Brokers: []string{"a", "b"}, Timeout: time.Minute, Level: 3}
	c.Mongo.URI = "hush"
	got, err := config.Describe("strategic", c)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, s := range got {
		values[s.Variable] = s.Value
	}
	want := map[string]string{
		"STRATA_STRATEGIC_MONGO_URI": "(secret)", "STRATA_STRATEGIC_MONGO_DATABASE": "", "STRATA_STRATEGIC_HTTP_LISTEN": "",
		"STRATA_STRATEGIC_HTTP_IDLE_TIMEOUT": "1m0s", "STRATA_STRATEGIC_KAFKA_BROKERS": "a,b", "STRATA_STRATEGIC_KAFKA_RETRIES": "0",
		"STRATA_STRATEGIC_KAFKA_RATE": "0", "STRATA_STRATEGIC_HTTP_PUBLIC": "false", "STRATA_STRATEGIC_LOG_LEVEL": "level 3",
	}
	if d := cmp.Diff(want, values); d != "" {
		t.Errorf("description (-want +got):\n%s", d)
	}
}

type untagged struct{ Name string }

type shared struct {
	A string `config:"a.b_c"`
	B string `config:"a_b.c"`
}

type channel struct {
	C chan int `config:"a.b"`
}

func TestMistakesInTheStructAreDefects(t *testing.T) {
	t.Parallel()
	_, err1 := config.Load[untagged]("local", nil, "")
	_, err2 := config.Load[shared]("local", nil, "")
	_, err3 := config.Load[channel]("local", nil, "")
	_, err4 := config.Load[int]("local", nil, "")
	for i, err := range []error{err1, err2, err3, err4} {
		if !fault.Is(err, fault.Internal) {
			t.Errorf("case %d: got %v, want an internal error", i+1, err)
		}
	}
}

type checked struct {
	Port int `config:"http.port"`
}

func (c *checked) Validate() error {
	if c.Port == 0 {
		return fault.New(fault.Invalid, fault.BadDefinition, "choose a port")
	}
	return nil
}

func TestValidateIsCalledLast(t *testing.T) {
	t.Parallel()
	if _, err := config.Load[checked]("local", nil, ""); err == nil || err.Error() != "choose a port" {
		t.Errorf("got %v", err)
	}
	if c, err := config.Load[checked]("local", []string{"STRATA_LOCAL_HTTP_PORT=7"}, ""); err != nil || c.Port != 7 {
		t.Errorf("got %v, %v", c, err)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "strata.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
