package manifest_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// kubeHead tells which kind of object a document is.
type kubeHead struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   kubeMeta `yaml:"metadata"`
}

type kubeMeta struct {
	Name        string            `yaml:"name"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type kubeSelector struct {
	MatchLabels      map[string]string `yaml:"matchLabels"`
	MatchExpressions []struct {
		Key      string   `yaml:"key"`
		Operator string   `yaml:"operator"`
		Values   []string `yaml:"values"`
	} `yaml:"matchExpressions"`
}

type kubeProbe struct {
	HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
	PeriodSeconds    int                         `yaml:"periodSeconds"`
	TimeoutSeconds   int                         `yaml:"timeoutSeconds"`
	FailureThreshold int                         `yaml:"failureThreshold"`
}

type kubePod struct {
	SecurityContext struct {
		RunAsNonRoot   bool              `yaml:"runAsNonRoot"`
		RunAsUser      int               `yaml:"runAsUser"`
		RunAsGroup     int               `yaml:"runAsGroup"`
		SeccompProfile map[string]string `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	AutomountServiceAccountToken  bool            `yaml:"automountServiceAccountToken"`
	EnableServiceLinks            bool            `yaml:"enableServiceLinks"`
	TerminationGracePeriodSeconds int             `yaml:"terminationGracePeriodSeconds"`
	RestartPolicy                 string          `yaml:"restartPolicy"`
	Containers                    []kubeContainer `yaml:"containers"`
	Volumes                       []struct {
		Name      string `yaml:"name"`
		ConfigMap struct {
			Name string `yaml:"name"`
		} `yaml:"configMap"`
	} `yaml:"volumes"`
}

type kubeContainer struct {
	Name  string   `yaml:"name"`
	Image string   `yaml:"image"`
	Args  []string `yaml:"args"`
	Env   []struct {
		Name      string `yaml:"name"`
		ValueFrom struct {
			SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	} `yaml:"env"` // a plain value has no field here: settings belong into the ConfigMap, secrets into Secrets
	VolumeMounts []struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
	SecurityContext struct {
		AllowPrivilegeEscalation *bool               `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool                `yaml:"readOnlyRootFilesystem"`
		Capabilities             map[string][]string `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Ports []struct {
		Name          string `yaml:"name"`
		ContainerPort int    `yaml:"containerPort"`
	} `yaml:"ports"`
	StartupProbe   *kubeProbe                   `yaml:"startupProbe"`
	LivenessProbe  *kubeProbe                   `yaml:"livenessProbe"`
	ReadinessProbe *kubeProbe                   `yaml:"readinessProbe"`
	Resources      map[string]map[string]string `yaml:"resources"`
}

type kubeTemplate struct {
	Metadata kubeMeta `yaml:"metadata"`
	Spec     kubePod  `yaml:"spec"`
}

type kubeDeployment struct {
	kubeHead `yaml:",inline"`
	Spec     struct {
		Replicas int          `yaml:"replicas"`
		Selector kubeSelector `yaml:"selector"`
		Strategy struct {
			Type          string         `yaml:"type"`
			RollingUpdate map[string]int `yaml:"rollingUpdate"`
		} `yaml:"strategy"`
		Template kubeTemplate `yaml:"template"`
	} `yaml:"spec"`
}

type kubeJob struct {
	kubeHead `yaml:",inline"`
	Spec     struct {
		BackoffLimit            int          `yaml:"backoffLimit"`
		TTLSecondsAfterFinished int          `yaml:"ttlSecondsAfterFinished"`
		Template                kubeTemplate `yaml:"template"`
	} `yaml:"spec"`
}

type kubeService struct {
	kubeHead `yaml:",inline"`
	Spec     struct {
		Selector map[string]string `yaml:"selector"`
		Ports    []struct {
			Name       string `yaml:"name"`
			Port       int    `yaml:"port"`
			TargetPort string `yaml:"targetPort"`
		} `yaml:"ports"`
	} `yaml:"spec"`
}

type kubeBudget struct {
	kubeHead `yaml:",inline"`
	Spec     struct {
		MinAvailable int          `yaml:"minAvailable"`
		Selector     kubeSelector `yaml:"selector"`
	} `yaml:"spec"`
}

type kubeConfig struct {
	kubeHead `yaml:",inline"`
	Data     map[string]string `yaml:"data"`
}

type kubePeer struct {
	NamespaceSelector *kubeSelector `yaml:"namespaceSelector"` // a podSelector has no field here: services must not name each other
}

type kubeRule struct {
	From  []kubePeer `yaml:"from"`
	To    []kubePeer `yaml:"to"`
	Ports []struct {
		Protocol string `yaml:"protocol"`
		Port     string `yaml:"port"`
	} `yaml:"ports"`
}

type kubeNetworkPolicy struct {
	kubeHead `yaml:",inline"`
	Spec     struct {
		PodSelector kubeSelector `yaml:"podSelector"`
		PolicyTypes []string     `yaml:"policyTypes"`
		Ingress     []kubeRule   `yaml:"ingress"`
		Egress      []kubeRule   `yaml:"egress"`
	} `yaml:"spec"`
}

// cluster is all objects by kind and name.
type cluster struct {
	deployments map[string]kubeDeployment
	jobs        map[string]kubeJob
	services    map[string]kubeService
	budgets     map[string]kubeBudget
	configs     map[string]kubeConfig
	policies    map[string]kubeNetworkPolicy
}

// kubernetes reads the manifests that the kustomization lists.
func kubernetes(t *testing.T) cluster {
	t.Helper()
	var k struct {
		kubeHead  `yaml:",inline"`
		Namespace string   `yaml:"namespace"`
		Resources []string `yaml:"resources"`
		Images    []struct {
			Name   string `yaml:"name"`
			NewTag string `yaml:"newTag"`
		} `yaml:"images"`
	}
	read(t, "kubernetes/kustomization.yaml", &k)
	files, err := filepath.Glob(filepath.Join(root, "kubernetes", "*.yaml"))
	if err != nil || len(files) != len(k.Resources)+1 || k.Namespace == "" {
		t.Fatalf("the kustomization lists %v, there are %v (%v)", k.Resources, files, err)
	}
	c := cluster{map[string]kubeDeployment{}, map[string]kubeJob{}, map[string]kubeService{}, map[string]kubeBudget{}, map[string]kubeConfig{}, map[string]kubeNetworkPolicy{}}
	for _, file := range k.Resources {
		text, err := os.ReadFile(filepath.Join(root, "kubernetes", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			c.add(t, file, document)
		}
	}
	return c
}

func (c cluster) add(t *testing.T, file string, document []byte) {
	t.Helper()
	var head kubeHead
	if err := yaml.Unmarshal(document, &head); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	switch head.APIVersion + " " + head.Kind {
	case "apps/v1 Deployment":
		put(t, file, head, document, c.deployments)
	case "batch/v1 Job":
		put(t, file, head, document, c.jobs)
	case "v1 Service":
		put(t, file, head, document, c.services)
	case "policy/v1 PodDisruptionBudget":
		put(t, file, head, document, c.budgets)
	case "v1 ConfigMap":
		put(t, file, head, document, c.configs)
	case "networking.k8s.io/v1 NetworkPolicy":
		put(t, file, head, document, c.policies)
	default:
		t.Errorf("%s: %s %s is none of the kinds that are used (secrets are not kept here)", file, head.APIVersion, head.Kind)
	}
}

func put[O any](t *testing.T, file string, head kubeHead, document []byte, into map[string]O) {
	t.Helper()
	var o O
	d := yaml.NewDecoder(bytes.NewReader(document))
	d.KnownFields(true)
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%s: %s %s: %v", file, head.Kind, head.Metadata.Name, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Fatalf("%s: something follows %s %s", file, head.Kind, head.Metadata.Name)
	}
	if _, twice := into[head.Metadata.Name]; twice {
		t.Errorf("%s: %s %s is there twice", file, head.Kind, head.Metadata.Name)
	}
	into[head.Metadata.Name] = o
}

// labels that select a service's pods.
func (l layer) labels() map[string]string {
	return map[string]string{"app.kubernetes.io/part-of": "strata", "app.kubernetes.io/name": l.name}
}

// TestKubernetesServices compares each service's objects with one another and with the code.
func TestKubernetesServices(t *testing.T) {
	t.Parallel()
	k := kubernetes(t)
	for _, l := range layers(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			d, s, b := k.deployments[l.name], k.services[l.name], k.budgets[l.name]
			if len(d.Spec.Template.Spec.Containers) != 1 {
				t.Fatal("there is no Deployment of one container")
			}
			for what, selected := range map[string]map[string]string{"Deployment": d.Spec.Selector.MatchLabels, "pods": d.Spec.Template.Metadata.Labels,
				"Service": s.Spec.Selector, "budget": b.Spec.Selector.MatchLabels} {
				if !equal(selected, l.labels()) {
					t.Errorf("the %s is about %v, want %v", what, selected, l.labels())
				}
			}
			if d.Spec.Replicas < 2 || b.Spec.MinAvailable < 1 || b.Spec.MinAvailable >= d.Spec.Replicas {
				t.Errorf("of %d replicas %d must be there: a node could never be drained, or all be lost at once", d.Spec.Replicas, b.Spec.MinAvailable)
			}
			if len(s.Spec.Ports) != 1 || strconv.Itoa(s.Spec.Ports[0].Port) != l.port || s.Spec.Ports[0].TargetPort != "http" {
				t.Errorf("the Service has the ports %v, want %s to http", s.Spec.Ports, l.port)
			}
			main := d.Spec.Template.Spec.Containers[0]
			probes(t, main)
			if len(main.Ports) != 1 || main.Ports[0].Name != "http" || strconv.Itoa(main.Ports[0].ContainerPort) != l.port {
				t.Errorf("the container has the ports %v, want http %s", main.Ports, l.port)
			}
			if a := d.Spec.Template.Metadata.Annotations; a["prometheus.io/port"] != l.port || a["prometheus.io/path"] != "/metrics" {
				t.Errorf("metrics are looked for at %v", a)
			}
			starts(t, k, l, main, d.Spec.Template.Spec, nil)
			job := k.jobs[l.name+"-setup"].Spec.Template
			if len(job.Spec.Containers) != 1 || job.Spec.Containers[0].Image != main.Image || job.Spec.RestartPolicy != "OnFailure" {
				t.Fatal("there is no set-up by the same image")
			}
			if equal(job.Metadata.Labels, l.labels()) {
				t.Error("the Service would send requests to the set-up")
			}
			starts(t, k, l, job.Spec.Containers[0], job.Spec, []string{"setup"})
		})
	}
}

func probes(t *testing.T, c kubeContainer) {
	t.Helper()
	for _, p := range []struct {
		name string
		is   *kubeProbe
		path string
	}{{"startup", c.StartupProbe, "/healthz"}, {"liveness", c.LivenessProbe, "/healthz"}, {"readiness", c.ReadinessProbe, "/readyz"}} {
		if p.is == nil || p.is.HTTPGet.Path != p.path || p.is.HTTPGet.Port != "http" || p.is.FailureThreshold < 2 {
			t.Errorf("the %s probe is %+v, want %s", p.name, p.is, p.path)
		}
	}
}

// starts loads the configuration that the container will have, and compares its secrets with those of the code.
func starts(t *testing.T, k cluster, l layer, c kubeContainer, p kubePod, command []string) {
	t.Helper()
	name := l.name + ".yaml"
	want := append([]string{"--config", "/etc/strata/" + name}, command...)
	if !slices.Equal(c.Args, want) || len(c.VolumeMounts) != 1 || c.VolumeMounts[0].MountPath != "/etc/strata" ||
		len(p.Volumes) != 1 || p.Volumes[0].Name != c.VolumeMounts[0].Name || p.Volumes[0].ConfigMap.Name != "strata-"+l.name {
		t.Errorf("the container runs with %v and %v of %v, want %v", c.Args, c.VolumeMounts, p.Volumes, want)
	}
	settings := map[string]string{}
	for _, e := range c.Env {
		if e.ValueFrom.SecretKeyRef.Name != "strata-"+l.name || e.ValueFrom.SecretKeyRef.Key == "" {
			t.Errorf("%s comes from %v, want the Secret strata-%s", e.Name, e.ValueFrom, l.name)
		}
		settings[e.Name] = "from-the-secret"
	}
	for _, s := range l.secrets {
		if settings[s] == "" {
			t.Errorf("the secret %s is not set", s)
		}
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(k.configs["strata-"+l.name].Data[name]), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := l.load(environ(settings), file)
	if err != nil {
		t.Fatal(err)
	}
	if !h.HTTP.Beyond || !strings.HasSuffix(h.HTTP.Listen, ":"+l.port) || h.SignIn.Issuer == "" || h.SignIn.Audience == "" || !h.Kafka.TLS {
		t.Errorf("the service would listen on %s, believe %q, use TLS: %v", h.HTTP.Listen, h.SignIn.Issuer, h.Kafka.TLS)
	}
}

// TestKubernetesRights: no container may do more than its work.
func TestKubernetesRights(t *testing.T) {
	t.Parallel()
	k := kubernetes(t)
	pods := map[string]kubePod{}
	for name, d := range k.deployments {
		pods[name] = d.Spec.Template.Spec
	}
	for name, j := range k.jobs {
		pods[name] = j.Spec.Template.Spec
	}
	for name, p := range pods {
		if !p.SecurityContext.RunAsNonRoot || p.SecurityContext.RunAsUser == 0 || p.SecurityContext.SeccompProfile["type"] != "RuntimeDefault" ||
			p.AutomountServiceAccountToken || p.EnableServiceLinks {
			t.Errorf("the pod of %s has more rights than it needs", name)
		}
		for _, c := range p.Containers {
			s := c.SecurityContext
			if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities["drop"], []string{"ALL"}) {
				t.Errorf("the container of %s has more rights than it needs", name)
			}
			if c.Resources["requests"]["cpu"] == "" || c.Resources["requests"]["memory"] == "" || c.Resources["limits"]["memory"] == "" {
				t.Errorf("the container of %s does not say what it needs", name)
			}
			if !regexp.MustCompile(`^strata-\w+:\d+\.\d+\.\d+$`).MatchString(c.Image) {
				t.Errorf("the image %s of %s is not pinned", c.Image, name)
			}
		}
	}
}

// TestKubernetesNetwork: everything is refused by default, and what is allowed leads to no other service.
func TestKubernetesNetwork(t *testing.T) {
	t.Parallel()
	k := kubernetes(t)
	deny := k.policies["deny-by-default"].Spec
	if len(deny.PodSelector.MatchLabels)+len(deny.PodSelector.MatchExpressions) > 0 || len(deny.PolicyTypes) != 2 || len(deny.Ingress)+len(deny.Egress) > 0 {
		t.Error("not everything is refused by default")
	}
	allowed := map[string]bool{}
	for name, p := range k.policies {
		for _, r := range append(p.Spec.Ingress, p.Spec.Egress...) {
			for _, peer := range append(r.From, r.To...) {
				if peer.NamespaceSelector == nil || len(peer.NamespaceSelector.MatchLabels) == 0 {
					t.Errorf("%s lets everybody in the cluster in, or out to", name)
				}
			}
			if len(r.Ports) == 0 {
				t.Errorf("%s allows every port", name)
			}
			for _, port := range r.Ports {
				allowed[port.Port] = true
			}
		}
	}
	for _, l := range layers(t) {
		if allowed[l.port] {
			t.Errorf("port %s of the %s service is open to another", l.port, l.name)
		}
		for _, s := range []string{"_MONGO_URI", "_KAFKA_PASSWORD"} {
			if !slices.Contains(l.secrets, "STRATA_"+strings.ToUpper(l.name)+s) {
				t.Errorf("%s is no secret of %s any more: look at the manifests", s, l.name)
			}
		}
		var c map[string]struct{ Kafka struct{ Brokers []string } }
		if err := yaml.Unmarshal([]byte(k.configs["strata-"+l.name].Data[l.name+".yaml"]), &c); err != nil {
			t.Fatal(err)
		}
		for _, b := range c[l.name].Kafka.Brokers {
			if _, port, _ := strings.Cut(b, ":"); !allowed[port] {
				t.Errorf("the broker %s of %s cannot be reached", b, l.name)
			}
		}
	}
}
