package contract

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTopics(t *testing.T) {
	t.Parallel()
	got := map[string]int{}
	for _, topic := range Topics() {
		got[topic.Name] = topic.Partitions
	}
	want := map[string]int{
		"strata.strategic.directives.v1": 6, "strata.functional.acks.v1": 6, "strata.functional.directives.v1": 6, "strata.operational.acks.v1": 6,
		"strata.operational.events.v1": 24, "strata.operational.measurements.v1": 6, "strata.operational.insights.v1": 6,
		"strata.functional.information.v1": 6, "strata.strategic.requests.v1": 6, "strata.functional.requests.v1": 6, "strata.operational.requests.v1": 6,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("names and partition counts are fixed for good (-want +got):\n%s", d)
	}
}

func TestTopicSettings(t *testing.T) {
	t.Parallel()
	specs := Specs()
	if len(specs) != len(Topics()) {
		t.Fatalf("%d specs for %d topics", len(specs), len(Topics()))
	}
	want := map[string]string{
		"cleanup.policy": "delete", "retention.ms": "2592000000", "max.message.bytes": "1048576", "message.timestamp.type": "LogAppendTime",
	}
	for i, s := range specs {
		if d := cmp.Diff(want, s.Config); d != "" || s.Partitions != Topics()[i].Partitions || s.Name != Topics()[i].Name {
			t.Errorf("%s, %d partitions (-want +got):\n%s", s.Name, s.Partitions, d)
		}
	}
}

func TestWhoSpeaksIsInTheTopicsName(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^strata\.(strategic|functional|operational)\.[a-z]+\.v1$`)
	kind := regexp.MustCompile(`^strata\.(strategic|functional|operational|any)\.[a-z]+\.[a-z]+\.v1$`)
	for _, topic := range Topics() {
		of := topic.From
		if of == "" { // requests: the layer that is asked
			of = topic.To
			if Requests(of) != topic.Name {
				t.Errorf("state is asked of %s on %s, not on %s", of, topic.Name, Requests(of))
			}
		}
		if !name.MatchString(topic.Name) || !strings.HasPrefix(topic.Name, "strata."+string(of)+".") {
			t.Errorf("%s is spoken by %s", topic.Name, of)
		}
		for _, k := range topic.Types {
			if !kind.MatchString(k) {
				t.Errorf("%s carries %s, which is no type's name", topic.Name, k)
			}
		}
	}
}

func TestEveryTypeOnEveryTopicHasAnExample(t *testing.T) {
	t.Parallel()
	for _, topic := range Topics() {
		for _, kind := range topic.Types {
			if !slices.ContainsFunc(examples(), func(x example) bool { return x.topic == topic.Name && x.envelope.Type == kind }) {
				t.Errorf("no example of %s on %s", kind, topic.Name)
			}
		}
	}
	for _, x := range examples() {
		i := slices.IndexFunc(Topics(), func(topic Topic) bool { return topic.Name == x.topic })
		if !slices.Contains(Topics()[i].Types, x.envelope.Type) {
			t.Errorf("example %s: %s does not belong on %s", x.name, x.envelope.Type, x.topic)
		}
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	if unknown := Unsupported(Features()); unknown != nil {
		t.Errorf("own features unsupported: %v", unknown)
	}
	if d := cmp.Diff([]Feature{"teleport"}, Unsupported([]Feature{FeatureScope, "teleport"})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFieldsOfEntities(t *testing.T) {
	t.Parallel()
	for _, e := range []Entity{CustomerDay, Customer, Answer} {
		if len(FieldsOf(e)) == 0 {
			t.Errorf("%s has no fields", e)
		}
		for _, name := range FieldsOf(e) {
			if f, ok := FieldOf(e, name); !ok || f.Parameter == "" || f.Value == "" {
				t.Errorf("%s.%s: %+v, %v", e, name, f, ok)
			}
		}
		if _, ok := FieldOf(e, "shoe_size"); ok {
			t.Errorf("%s has a shoe size", e)
		}
	}
	if f, ok := FieldOf(Profile, "email"); !ok || f.Parameter != "email" {
		t.Errorf("a profile's email is %+v, %v", f, ok)
	}
	if _, ok := FieldOf(Profile, "$where"); ok {
		t.Error("a profile has a field that is an operator")
	}
}

func TestConditionList(t *testing.T) {
	t.Parallel()
	type stored []any // as a store decodes arrays
	for name, c := range map[string]struct {
		value any
		list  []any
		ok    bool
	}{
		"none": {nil, nil, false}, "text": {"AT", nil, false}, "wire": {[]any{"AT", 2.0}, []any{"AT", 2.0}, true},
		"store": {stored{"AT"}, []any{"AT"}, true}, "typed": {[]string{"AT"}, []any{"AT"}, true}, "empty": {[]any{}, []any{}, true},
	} {
		list, ok := (&Condition{Value: c.value}).List()
		if d := cmp.Diff(c.list, list); ok != c.ok || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, d)
		}
	}
}
