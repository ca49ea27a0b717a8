package bus

import "context"

// Reader is what Progress needs of a bus.
type Reader interface {
	LogReader
	GroupReader
}

// Standing is how far a consumer is in a partition.
type Standing struct {
	Waiting  int64 // how many messages it has still to pass
	Position int64 // changes with each that it passes
	Held     bool  // whether it has the partition; otherwise it has none at all and answers for those that nobody may have
}

// After reports whether something was done since the consumer stood as given, or nothing is left to do.
func (s Standing) After(earlier Standing) bool {
	return s.Waiting <= 0 || s.Position != earlier.Position
}

// Progress returns how far the group is in the partitions of the topic that the member has, or in all if it has none. A partition
// with messages waiting whose position stands still is one in which the member is stuck. It fails as Log and Committed do.
func Progress(ctx context.Context, r Reader, topic, group string, member *Held) (map[int]Standing, error) {
	info, err := r.Log(ctx, topic)
	if err != nil {
		return nil, err
	}
	committed, err := r.Committed(ctx, topic, group)
	if err != nil {
		return nil, err
	}
	own, held := member.Own(info.Partitions)
	at := make(map[int]Standing, len(own))
	for _, p := range own {
		next, ok := committed[p.Partition]
		if !ok {
			next = p.First
		}
		at[p.Partition] = Standing{Waiting: max(p.End-max(next, p.First), 0), Position: next, Held: held}
	}
	return at, nil
}
