package bus

import (
	"fmt"

	"github.com/strata-crm/strata/shared/fault"
)

const (
	// MaxMessageBytes bounds a message's key, value and headers together; the broker's limit is 1 MiB.
	MaxMessageBytes = 900 << 10
	// MaxBatch bounds the messages of one LogSink.Apply call.
	MaxBatch = 500
)

// Check returns a fault.Invalid error for the first message that may not be published: no topic, no key (the key
// decides the partition, and thereby the order), or too large.
func Check(msgs ...Message) error {
	for i, m := range msgs {
		switch {
		case m.Topic == "":
			return refuse(i, fault.BadRequest, "the message has no topic: name one")
		case m.Key == "":
			return refuse(i, fault.BadRequest, "the message for %s has no key: set the entity's id as its key", m.Topic)
		case m.Size() > MaxMessageBytes:
			return refuse(i, fault.TooLarge, "the message for %s has %d bytes and at most %d are allowed: split it or send less",
				m.Topic, m.Size(), MaxMessageBytes)
		}
	}
	return nil
}

func refuse(i int, code fault.Code, format string, args ...any) error {
	err := fault.New(fault.Invalid, code, format, args...)
	err.At = fmt.Sprintf("message %d", i)
	return err
}

// Check returns fault.Invalid when a field is missing.
func (s Subscription) Check() error {
	if s.Topic == "" || s.Group == "" || s.Handle == nil || s.Quarantine == nil || s.OnGap == nil {
		return fault.New(fault.Invalid, fault.BadRequest,
			"the subscription of group %q to topic %q is incomplete: set Topic, Group, Handle, Quarantine and OnGap", s.Group, s.Topic)
	}
	return nil
}

// PartitionOf returns the partition in which a key lives: Kafka's default placement (murmur2, as in its Java client),
// so that every producer agrees, whatever its language. partitions must be positive.
func PartitionOf(key string, partitions int) int {
	return int(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is Austin Appleby's MurmurHash2, 32 bits, little endian, with Kafka's seed.
func murmur2(key string) uint32 {
	const m, r = 0x5bd1e995, 24
	n := len(key)
	h := uint32(0x9747b28c) ^ uint32(n)
	i := 0
	for ; i+4 <= n; i += 4 {
		k := uint32(key[i]) | uint32(key[i+1])<<8 | uint32(key[i+2])<<16 | uint32(key[i+3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
	}
	switch n - i {
	case 3:
		h ^= uint32(key[i+2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[i+1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(key[i])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
