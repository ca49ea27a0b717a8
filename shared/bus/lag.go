package bus

import "context"

// Reader is what Progress needs of a bus.
type Reader interface {
	LogReader
	GroupReader
}

// Progress returns how many messages of the topic the group has still to pass, and how many offsets it has passed, over the
// partitions of the member that holds some, else over all. Position grows while the member works, so a lag with a position
// that stands still is a member that is stuck, and not its neighbours. It fails as Log and Committed do.
func Progress(ctx context.Context, r Reader, topic, group string, member *Held) (lag, position int64, err error) {
	info, err := r.Log(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	committed, err := r.Committed(ctx, topic, group)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range member.Own(info.Partitions) {
		next, ok := committed[p.Partition]
		if !ok {
			next = p.First
		}
		lag += max(p.End-max(next, p.First), 0)
		position += next
	}
	return lag, position, nil
}
