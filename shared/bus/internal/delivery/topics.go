package delivery

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// Differences says in words how a topic differs from what it should be; settings that want does not name do not count.
func Differences(want, have bus.TopicSpec) []string {
	var wrong []string
	if want.Partitions != have.Partitions {
		wrong = append(wrong, fmt.Sprintf("%s has %d partitions and should have %d", want.Name, have.Partitions, want.Partitions))
	}
	for _, key := range slices.Sorted(maps.Keys(want.Config)) {
		if have.Config[key] != want.Config[key] {
			wrong = append(wrong, fmt.Sprintf("%s has %s=%s and should have %s", want.Name, key, have.Config[key], want.Config[key]))
		}
	}
	return wrong
}

// SetupRequired returns the error that names what is wrong and its remedy, or nil when nothing is.
func SetupRequired(wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	return fault.New(fault.Conflict, fault.SetupRequired, "topics are not as they should be (%s): run `strata setup`", strings.Join(wrong, "; "))
}
