package manifest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// composeFile is the part of the Compose specification that the file uses, after YAML's own merging.
type composeFile struct {
	Name     string                    `yaml:"name"`
	Services map[string]composeService `yaml:"services"`
	Networks map[string]struct {
		Internal bool `yaml:"internal"`
	} `yaml:"networks"`
	Volumes map[string]struct{} `yaml:"volumes"`

	Kafka         any `yaml:"x-kafka"`
	KafkaSettings any `yaml:"x-kafka-settings"`
	KafkaCluster  any `yaml:"x-kafka-cluster"`
	Service       any `yaml:"x-service"`
	Needs         any `yaml:"x-needs"`
	Strategic     any `yaml:"x-strategic"`
	Functional    any `yaml:"x-functional"`
	Operational   any `yaml:"x-operational"`
}

type composeService struct {
	Image       string            `yaml:"image"`
	Profiles    []string          `yaml:"profiles"`
	Build       *composeBuild     `yaml:"build"`
	Entrypoint  []string          `yaml:"entrypoint"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	Networks    composeNetworks   `yaml:"networks"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
		Required  *bool  `yaml:"required"`
	} `yaml:"depends_on"`
	Healthcheck *struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		Timeout     string   `yaml:"timeout"`
		Retries     int      `yaml:"retries"`
		StartPeriod string   `yaml:"start_period"`
	} `yaml:"healthcheck"`
	Restart         string   `yaml:"restart"`
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
}

type composeBuild struct {
	Context    string `yaml:"context"`
	Dockerfile string `yaml:"dockerfile"`
}

// composeNetworks are a service's networks, each with the names it has there.
type composeNetworks map[string][]string

// UnmarshalYAML accepts both forms: a list of names, and names with aliases.
func (n *composeNetworks) UnmarshalYAML(node *yaml.Node) error {
	*n = composeNetworks{}
	if node.Kind == yaml.SequenceNode {
		var names []string
		err := node.Decode(&names)
		for _, name := range names {
			(*n)[name] = nil
		}
		return err
	}
	var long map[string]struct {
		Aliases []string `yaml:"aliases"`
	}
	err := node.Decode(&long)
	for name, of := range long {
		(*n)[name] = of.Aliases
	}
	return err
}

func compose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	read(t, "compose.yaml", &c)
	return c
}

// variable is a variable that Compose fills in: ${NAME}, ${NAME:-default} or ${NAME:?error}.
var variable = regexp.MustCompile(`\$\{(\w+)(?:(:[-?])([^}]*))?\}`)

// secretName is how the file names what nobody may know.
var secretName = regexp.MustCompile(`PASSWORD|KEY|SECRET|TOKEN`)

// filled returns a service's environment with a value for every variable.
func (s composeService) filled() map[string]string {
	out := map[string]string{}
	for name, value := range s.Environment {
		out[name] = variable.ReplaceAllStringFunc(value, func(v string) string {
			if m := variable.FindStringSubmatch(v); m[2] == ":-" {
				return m[3]
			}
			return "filled"
		})
	}
	return out
}

// TestComposeReferences looks whether everything that is named is there.
func TestComposeReferences(t *testing.T) {
	t.Parallel()
	c := compose(t)
	used := map[string]bool{}
	for name, s := range c.Services {
		for other, d := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
			if optional := d.Required != nil && !*d.Required; (len(c.Services[other].Profiles) > 0) != optional {
				t.Errorf("%s must wait for %s if and only if that always runs", name, other)
			}
			if d.Condition == "service_healthy" && c.Services[other].Healthcheck == nil {
				t.Errorf("%s waits for the health of %s, which has no check", name, other)
			}
		}
		for n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				t.Errorf("%s is in the network %s, which is not there", name, n)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, ".") {
				exists(t, from, name)
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s mounts the volume %s, which is not there", name, from)
			}
			used[from] = true
		}
	}
	for v := range c.Volumes {
		if !used[v] {
			t.Errorf("nobody uses the volume %s", v)
		}
	}
}

// TestComposeImages wants every image built from this repository or pinned by a whole version.
func TestComposeImages(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[\w/.-]+:\d+\.\d+\.\d+$`)
	for name, s := range compose(t).Services {
		switch {
		case s.Build != nil:
			exists(t, filepath.Join(s.Build.Context, s.Build.Dockerfile), name)
			if s.Build.Context != ".." {
				t.Errorf("%s is built in %s: the context is the repository, because modules need each other", name, s.Build.Context)
			}
		case !pinned.MatchString(s.Image):
			t.Errorf("%s has the image %s, which is not pinned", name, s.Image)
		}
	}
}

// TestComposeVariables compares the variables that the file takes with .env.example, and refuses defaults of secrets.
func TestComposeVariables(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]bool{}
	for _, m := range variable.FindAllStringSubmatch(string(text), -1) {
		name, how := m[1], m[2]
		taken[name] = true
		if how == "" {
			t.Errorf("${%s} would be empty where it is not set: use ${%s:?…} or a default", name, name)
		}
		if secretName.MatchString(name) && how != ":?" {
			t.Errorf("${%s} is a secret and must stop the start where it is missing", name)
		}
		if optional := how == ":-"; !regexp.MustCompile(`(?m)^` + map[bool]string{true: "# ", false: ""}[optional] + name + `=`).Match(example) {
			t.Errorf("%s is not in .env.example as it should be (optional: %v)", name, optional)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:# )?([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(example), -1) {
		if !taken[m[1]] {
			t.Errorf(".env.example has %s, which nothing takes", m[1])
		}
		if secretName.MatchString(m[1]) && m[2] != "" {
			t.Errorf(".env.example has a value for the secret %s", m[1])
		}
	}
	for name, s := range compose(t).Services {
		for v, value := range s.Environment {
			if secretName.MatchString(v) && !strings.HasPrefix(value, "${") {
				t.Errorf("%s has a value for the secret %s in the file", name, v)
			}
		}
	}
}

// TestComposeServices loads each service's environment as the service will, and compares ports, image and health check.
func TestComposeServices(t *testing.T) {
	t.Parallel()
	c := compose(t)
	for _, l := range layers(t) {
		s, setup := c.Services[l.name], c.Services[l.name+"-setup"]
		h, err := l.load(environ(s.filled()), "")
		if err != nil {
			t.Errorf("%s would not start: %v", l.name, err)
			continue
		}
		if h.SignIn.Issuer == "" || h.SignIn.Audience == "" {
			t.Errorf("%s would not start: nobody could sign in", l.name)
		}
		if !h.HTTP.Beyond || !strings.HasSuffix(h.HTTP.Listen, ":"+l.port) || !slices.Equal(s.Ports, []string{"127.0.0.1:" + l.port + ":" + l.port}) {
			t.Errorf("%s listens on %s and publishes %v, want port %s, on loopback", l.name, h.HTTP.Listen, s.Ports, l.port)
		}
		for _, b := range h.Kafka.Brokers {
			reached(t, c, b)
		}
		if want := "mongodb://" + l.name + ":filled@mongo:27017/?replicaSet=rs0&authSource=strata_" + l.name; h.Mongo.URI != want {
			t.Errorf("%s reaches its database at %s, want %s, the user that mongo/init.js makes", l.name, h.Mongo.URI, want)
		}
		if !slices.Equal(setup.Command, []string{"setup"}) || setup.Image != s.Image || !equal(setup.Environment, s.Environment) {
			t.Errorf("%s is not set up by its own image and settings", l.name)
		}
		if d := s.DependsOn[l.name+"-setup"]; d.Condition != "service_completed_successfully" {
			t.Errorf("%s does not wait for its set-up", l.name)
		}
		dockerfile(t, l, s)
	}
}

// reached fails the test when a broker's address is not one of the network's, in both profiles.
func reached(t *testing.T, c composeFile, broker string) {
	t.Helper()
	name, port, _ := strings.Cut(broker, ":")
	for _, profile := range []string{"single", "cluster"} {
		found := false
		for service, s := range c.Services {
			called := service == name || slices.Contains(s.Networks["data"], name)
			found = found || called && slices.Contains(s.Profiles, profile) && strings.Contains(s.Environment["KAFKA_LISTENERS"], "CLIENTS://:"+port)
		}
		if !found {
			t.Errorf("nobody answers at %s in the profile %s", broker, profile)
		}
	}
}

// dockerfile fails the test when the health check runs another program than the image has.
func dockerfile(t *testing.T, l layer, s composeService) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "..", l.name, "Dockerfile"))
	if err != nil {
		t.Error(err)
		return
	}
	m := regexp.MustCompile(`(?m)^ENTRYPOINT \["([^"]+)"\]$`).FindSubmatch(text)
	if m == nil || s.Healthcheck == nil || !slices.Equal(s.Healthcheck.Test, []string{"CMD", string(m[1]), "health"}) {
		t.Errorf("the health check of %s must run the image's own program with `health`", l.name)
	}
}

// TestDockerfiles wants images of nothing but the program, built by a pinned toolchain.
func TestDockerfiles(t *testing.T) {
	t.Parallel()
	for _, l := range layers(t) {
		text, err := os.ReadFile(filepath.Join(root, "..", l.name, "Dockerfile"))
		if err != nil {
			t.Fatal(err)
		}
		bases := regexp.MustCompile(`(?m)^FROM (.*)$`).FindAllStringSubmatch(string(text), -1)
		if len(bases) != 2 || !regexp.MustCompile(`^golang:\d+\.\d+\.\d+-\w+ AS build$`).MatchString(bases[0][1]) || bases[1][1] != "scratch" {
			t.Errorf("the image of %s is made from %v, want a pinned golang and scratch", l.name, bases)
		}
		for _, line := range []string{"USER 65532:65532", "EXPOSE " + l.port, "cd " + l.name + " && GOWORK=off", "./cmd/" + l.name, "ca-certificates.crt", "zoneinfo.zip"} {
			if !strings.Contains(string(text), line) {
				t.Errorf("the image of %s lacks %q", l.name, line)
			}
		}
	}
}

// TestComposeRights: services run without rights, and only they are reached from outside.
func TestComposeRights(t *testing.T) {
	t.Parallel()
	c := compose(t)
	if !c.Networks["data"].Internal {
		t.Error("Kafka and MongoDB can be reached from outside")
	}
	for name, s := range c.Services {
		if s.Build != nil && (!s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true")) {
			t.Errorf("%s has more rights than it needs", name)
		}
		if _, front := s.Networks["front"]; s.Build == nil && (front || len(s.Ports) > 0) {
			t.Errorf("%s can be reached from outside", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s beyond loopback", name, p)
			}
		}
	}
}

func equal(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}
