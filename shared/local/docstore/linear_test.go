package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/strata-crm/strata/shared/seedtest"
)

// The operations on a register, which is one document.
const (
	readOp = iota
	writeOp
	swapOp // writes the new value where the old one is found
)

type registerInput struct {
	op       int
	key      int
	old, new int64
}

type registerOutput struct {
	value   int64 // what a read found
	swapped bool
	unknown bool // the client never learnt what became of the operation
}

// register is the model: a value that starts as 0. An operation of unknown outcome may have happened at any time after
// it was called, or never, which is as good as after everything else.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make([][]porcupine.Operation, registers)
		for _, o := range history {
			k := o.Input.(registerInput).key
			byKey[k] = append(byKey[k], o)
		}
		return byKey
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		now, in, out := state.(int64), input.(registerInput), output.(registerOutput)
		switch in.op {
		case readOp:
			return out.unknown || out.value == now, now
		case writeOp:
			return true, in.new
		}
		if out.unknown {
			out.swapped = now == in.old
		}
		if !out.swapped {
			return now != in.old, now
		}
		return now == in.old, in.new
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
}

const (
	registers       = 3
	registerWorkers = 5
	registerLives   = 4
	registerCalls   = 150 // answered operations before a life ends by a kill
)

// recorder is the history so far.
type recorder struct {
	start time.Time
	next  atomic.Int64 // values are never written twice

	mu       sync.Mutex
	history  []porcupine.Operation
	unknown  int
	swaps    [2]int // refused, carried out
	answered chan struct{}
}

func TestSingleDocumentsAreLinearizableAcrossKills(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	dir := t.TempDir()
	r := &recorder{start: time.Now(), answered: make(chan struct{}, 1)}
	for life := range registerLives {
		p := startProcess(t, dir)
		coll := p.client.Database("linear").Collection("registers", options.Collection().SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority()))
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for w := range registerWorkers {
			wg.Go(func() {
				r.work(ctx, t, coll, life*registerWorkers+w, rand.New(rand.NewPCG(seed, uint64(life*registerWorkers+w))))
			})
		}
		for range registerCalls {
			<-r.answered
		}
		p.kill(t)
		cancel()
		wg.Wait()
	}
	r.judge(t)
}

func (r *recorder) work(ctx context.Context, t *testing.T, coll *mongo.Collection, client int, rng *rand.Rand) {
	known := make([]int64, registers) // the last value that this client saw of each
	for {
		in := registerInput{op: rng.IntN(3), key: rng.IntN(registers), new: r.next.Add(1)}
		in.old = known[in.key]
		call := time.Since(r.start).Nanoseconds()
		out, err := carryOut(ctx, coll, in)
		back := time.Since(r.start).Nanoseconds()
		if err != nil {
			if !mongo.IsNetworkError(err) && !mongo.IsTimeout(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, mongo.ErrClientDisconnected) {
				t.Errorf("%+v: %v", in, err)
			}
			out, back = registerOutput{unknown: true}, math.MaxInt64
		}
		r.note(porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back})
		if err != nil {
			return
		}
		switch {
		case in.op == readOp:
			known[in.key] = out.value
		case in.op == writeOp || out.swapped:
			known[in.key] = in.new
		}
	}
}

func carryOut(ctx context.Context, coll *mongo.Collection, in registerInput) (registerOutput, error) {
	switch in.op {
	case readOp:
		raw, err := coll.FindOne(ctx, doc("_id", in.key)).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return registerOutput{}, nil
		}
		if err != nil {
			return registerOutput{}, err
		}
		return registerOutput{value: raw.Lookup("v").Int64()}, nil
	case writeOp:
		_, err := coll.UpdateByID(ctx, in.key, doc("$set", doc("v", in.new)), options.UpdateOne().SetUpsert(true))
		return registerOutput{}, err
	}
	filter := doc("_id", in.key, "v", in.old)
	if in.old == 0 { // the register has never been written: only an insert can tell
		_, err := coll.InsertOne(ctx, doc("_id", in.key, "v", in.new))
		if mongo.IsDuplicateKeyError(err) {
			return registerOutput{}, nil
		}
		return registerOutput{swapped: true}, err
	}
	err := coll.FindOneAndUpdate(ctx, filter, bson.D{{Key: "$set", Value: doc("v", in.new)}}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return registerOutput{}, nil
	}
	return registerOutput{swapped: true}, err
}

func (r *recorder) note(o porcupine.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, o)
	out := o.Output.(registerOutput)
	switch {
	case out.unknown:
		r.unknown++
		return
	case o.Input.(registerInput).op == swapOp && out.swapped:
		r.swaps[1]++
	case o.Input.(registerInput).op == swapOp:
		r.swaps[0]++
	}
	select {
	case r.answered <- struct{}{}:
	default:
	}
}

// judge looks for an order of the operations in which each has its effect between its call and its answer.
func (r *recorder) judge(t *testing.T) {
	overlaps, after := 0, 0
	for i, o := range r.history {
		if i > 0 && o.Call < r.history[i-1].Return && o.Input.(registerInput).key == r.history[i-1].Input.(registerInput).key {
			overlaps++
		}
		if o.Input.(registerInput).op == readOp && o.Output.(registerOutput).value != 0 && o.ClientId >= registerWorkers {
			after++
		}
	}
	t.Logf("%d operations, %d of unknown outcome, %d swaps carried out and %d refused, %d overlaps on one document, %d reads of something after a kill", len(r.history), r.unknown, r.swaps[1], r.swaps[0], overlaps, after)
	if r.unknown == 0 || r.swaps[0] == 0 || r.swaps[1] == 0 || overlaps == 0 || after == 0 {
		t.Error("the history is too tame to show anything")
	}
	if result := porcupine.CheckOperationsTimeout(register, r.history, time.Minute); result != porcupine.Ok {
		t.Errorf("the history is not linearizable: %v", result)
	}
}
