package kafka_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/demo"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/simulate"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/seedtest"
	"github.com/strata-crm/strata/shared/signin"
)

// The simulated shop.
const (
	customers = 1500
	shopSeed  = 1
)

// TestKafkaLoop tells the whole loop of the demo over real processes and a real broker: directives down, purchases in,
// measurements up, statuses as a naive oracle says.
func TestKafkaLoop(t *testing.T) {
	t.Parallel()
	r := startRig(t, settings()...)
	tell(t, r)
	conserved(t, r)
}

// TestKafkaLoopUnderKills tells the loop again while every process, the broker included, is killed in turn.
func TestKafkaLoopUnderKills(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	r := startRig(t, settings()...)
	var killed []string
	stop := background(t, func(ctx context.Context) { killed = r.killInTurn(ctx, t, rand.New(rand.NewPCG(seed, 1))) })
	tell(t, r)
	stop()
	if len(killed) < len(r.services)+1 {
		t.Errorf("the loop was over when only these had been killed: %q", killed)
	}
	conserved(t, r)
}

// killInTurn kills every process once, in an order of chance, while the loop runs, starts each again at once, and lets
// it work for some seconds before the next.
func (r *rig) killInTurn(ctx context.Context, t *testing.T, rng *rand.Rand) (killed []string) {
	if !r.executing(ctx, t) {
		return nil
	}
	victims := []contract.Layer{contract.Operational, contract.Functional, contract.Strategic, ""} // "" is the broker
	rng.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
	for _, v := range victims {
		select {
		case <-ctx.Done():
			return killed
		case <-time.After(time.Second + time.Duration(rng.Int64N(int64(5*time.Second)))):
		}
		if p := r.services[v]; p != nil {
			p.kill(t)
			p.start(t)
		} else if err := r.crashBroker(t.Context()); err != nil {
			t.Error(err)
			return killed
		}
		killed = append(killed, string(v)+" "+time.Now().Format(time.TimeOnly))
	}
	return killed
}

func (r *rig) crashBroker(ctx context.Context) error {
	if err := r.broker.Kill(); err != nil {
		return err
	}
	return r.broker.Start(ctx)
}

// executing returns true once a directive is executed, false if ctx ends before.
func (r *rig) executing(ctx context.Context, t *testing.T) bool {
	token, err := r.token("executive-1", signin.Executive)
	if err != nil {
		t.Error(err)
		return false
	}
	who := r.client.As(token)
	for ctx.Err() == nil {
		all, err := who.Directives(ctx)
		if err == nil && len(all) > 2 && slices.ContainsFunc(all, func(d client.Directive) bool {
			return d.Answer != nil && d.Answer.State == contract.Executing
		}) {
			return true
		}
		time.Sleep(lookEvery)
	}
	return false
}

// tell tells the demo's story of a simulated shop and fails the test when a step does not come true.
func tell(t *testing.T, r *rig) {
	t.Helper()
	shop := simulate.Default(customers, shopSeed)
	var text bytes.Buffer
	if err := simulate.Write(&text, shop.Orders()); err != nil {
		t.Fatal(err)
	}
	orders, err := orderfile.Read("shop.csv", text.Bytes(), orderfile.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	truth, err := oracle.Read(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	calendar, ok := demo.CalendarOf(orders.Months())
	if !ok {
		t.Fatal("the shop has too few months")
	}
	want := oracle.Expect(truth, oracle.Options{Last: calendar.LastDay(), Goals: calendar.Expected(), Seed: shopSeed})
	want.Goals = append(want.Goals, oracle.Course{Name: "G3", Metric: "nps_month", Refused: "no_source nps"})
	var story bytes.Buffer
	err = demo.Tell(t.Context(), demo.Options{
		Client: r.client, Token: r.token, Orders: orders, About: shop.How(), Expected: func() oracle.Expectation { return want },
		Out: &story, Now: time.Now,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, story.String())
	}
}

// conserved fails the test when a record of the event log is not accounted for, or was lost.
func conserved(t *testing.T, r *rig) {
	t.Helper()
	token, err := r.token("steward-1", signin.Steward)
	if err != nil {
		t.Fatal(err)
	}
	account, err := r.client.As(token).Conservation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var stored, lost int64
	for _, p := range account.Partitions {
		stored, lost = stored+p.Stored, lost+p.Lost
	}
	if account.Unaccounted != 0 || lost != 0 || stored == 0 {
		t.Errorf("stored %d, lost %d, unaccounted %d; want all stored", stored, lost, account.Unaccounted)
	}
}
