package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/segmentio/kafka-go"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/internal/delivery"
	"github.com/strata-crm/strata/shared/fault"
)

// EnsureTopics implements bus.Admin. It returns when the brokers show every topic as specified and answer for each
// partition: Kafka tells of a new topic a moment before the leaders of its partitions know that they are.
func (b *Bus) EnsureTopics(ctx context.Context, specs ...bus.TopicSpec) error {
	client, done := b.client()
	defer done()
	have, err := b.describe(ctx, client, specs)
	if err != nil {
		return err
	}
	var create []kafka.TopicConfig
	var alter []kafka.IncrementalAlterConfigsRequestResource
	for _, s := range specs {
		if s.Name == "" || s.Partitions < 1 {
			return fault.New(fault.Invalid, fault.BadRequest, "topic %q with %d partitions: name it and give it one or more", s.Name, s.Partitions)
		}
		is, exists := have[s.Name]
		switch {
		case !exists:
			create = append(create, creation(s))
		case is.Partitions != s.Partitions:
			return fault.New(fault.Conflict, fault.SetupRequired, "topic %s has %d partitions and should have %d: a partition count is never changed",
				s.Name, is.Partitions, s.Partitions)
		case len(delivery.Differences(s, is)) > 0:
			alter = append(alter, alteration(s, is))
		}
	}
	if err := b.apply(ctx, client, create, alter); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	var last error
	if delivery.Until(ctx, func() error { last = b.settled(ctx, specs, create); return last }, func(error) {}) != nil {
		return last
	}
	return nil
}

func (b *Bus) settled(ctx context.Context, specs []bus.TopicSpec, created []kafka.TopicConfig) error {
	if err := b.VerifyTopics(ctx, specs...); err != nil {
		return err
	}
	for _, t := range created {
		if _, err := b.Log(ctx, t.Topic); err != nil {
			return err
		}
	}
	return nil
}

func creation(s bus.TopicSpec) kafka.TopicConfig {
	topic := kafka.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: -1}
	for _, key := range slices.Sorted(maps.Keys(s.Config)) {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: s.Config[key]})
	}
	return topic
}

func alteration(want, have bus.TopicSpec) kafka.IncrementalAlterConfigsRequestResource {
	r := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: want.Name}
	for _, key := range slices.Sorted(maps.Keys(want.Config)) {
		if have.Config[key] != want.Config[key] {
			r.Configs = append(r.Configs, kafka.IncrementalAlterConfigsRequestConfig{
				Name: key, Value: want.Config[key], ConfigOperation: kafka.ConfigOperationSet})
		}
	}
	return r
}

func (b *Bus) apply(ctx context.Context, client *kafka.Client, create []kafka.TopicConfig, alter []kafka.IncrementalAlterConfigsRequestResource) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if len(create) > 0 {
		answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: create})
		if err != nil {
			return unavailable(err, "creating topics")
		}
		for topic, err := range answer.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) { // another setup was quicker; verified afterwards
				return fmt.Errorf("creating topic %s: %w", topic, err)
			}
		}
	}
	if len(alter) > 0 {
		answer, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: alter})
		if err != nil {
			return unavailable(err, "configuring topics")
		}
		for _, r := range answer.Resources {
			if r.Error != nil {
				return fmt.Errorf("configuring topic %s: %w", r.ResourceName, r.Error)
			}
		}
	}
	return nil
}

// VerifyTopics implements bus.Admin.
func (b *Bus) VerifyTopics(ctx context.Context, specs ...bus.TopicSpec) error {
	client, done := b.client()
	defer done()
	have, err := b.describe(ctx, client, specs)
	if err != nil {
		return err
	}
	var wrong []string
	for _, s := range specs {
		if is, exists := have[s.Name]; exists {
			wrong = append(wrong, delivery.Differences(s, is)...)
		} else {
			wrong = append(wrong, s.Name+" is missing")
		}
	}
	return delivery.SetupRequired(wrong)
}

// describe returns those of the topics that exist, with their settings.
func (b *Bus) describe(ctx context.Context, client *kafka.Client, specs []bus.TopicSpec) (map[string]bus.TopicSpec, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if len(specs) == 0 {
		return nil, nil
	}
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, unavailable(err, "looking at the topics")
	}
	have := map[string]bus.TopicSpec{}
	var ask []kafka.DescribeConfigRequestResource
	for _, t := range meta.Topics {
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) || slices.Contains(names, t.Name) && t.Error == nil && len(t.Partitions) == 0 {
			continue
		}
		if t.Error != nil {
			return nil, unavailable(t.Error, "looking at topic "+t.Name)
		}
		have[t.Name] = bus.TopicSpec{Name: t.Name, Partitions: len(t.Partitions), Config: map[string]string{}}
		ask = append(ask, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name})
	}
	if len(ask) == 0 {
		return have, nil
	}
	answer, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: ask})
	if err != nil {
		return nil, unavailable(err, "looking at the topics' settings")
	}
	for _, r := range answer.Resources {
		if r.Error != nil {
			return nil, unavailable(r.Error, "looking at the settings of "+r.ResourceName)
		}
		for _, c := range r.ConfigEntries {
			have[r.ResourceName].Config[c.ConfigName] = c.ConfigValue
		}
	}
	return have, nil
}
