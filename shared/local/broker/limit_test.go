package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/local/broker"
)

// fullDir makes the test binary a broker on that folder whose files cannot grow beyond a limit, as on a full disk.
const fullDir = "STRATA_BROKER_TEST_FULL"

// publishUntilFull publishes until that fails, says so, gives the files room again and publishes once more.
func publishUntilFull(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	b, err := broker.Open(broker.Options{Dir: dir, Logger: quiet})
	if err != nil {
		return err
	}
	k, err := kafkabus.New(kafkabus.Options{Brokers: b.Brokers(), ClientID: "child", Dial: b.Dial, Logger: quiet})
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := k.EnsureTopics(ctx, bus.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		return err
	}
	var room syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		return err
	}
	none := room
	none.Cur = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &none); err != nil {
		return err
	}
	publish := func(i int) error {
		value := fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000))
		if err := k.Publish(ctx, bus.Message{Topic: "t", Key: "k", Value: []byte(value)}); err != nil {
			return err
		}
		fmt.Println(i)
		return nil
	}
	i := 0
	for err = publish(i); err == nil; err = publish(i) {
		i++
	}
	fmt.Println("refused:", err)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		return err
	}
	return publish(i + 1)
}

// TestFullDiskRefusesAndRecovers fills a broker's disk: the publish that finds no room fails, later ones succeed once
// there is room, and everything that was acknowledged is there, in order, also for the next start.
func TestFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), fullDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	var acknowledged []string
	refused := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "refused: "); ok {
			refused = text
			continue
		}
		acknowledged = append(acknowledged, lines.Text())
	}
	must(t, child.Wait())
	if refused == "" || len(acknowledged) < 10 {
		t.Fatalf("%d messages were acknowledged, then %q: the test shows nothing", len(acknowledged), refused)
	}
	t.Logf("%d messages were acknowledged, then: %s", len(acknowledged)-1, refused)
	got := map[string]bool{}
	k := client(t, start(t, broker.Options{Dir: dir}))
	for _, v := range values(t, k, "t") {
		number, _, _ := strings.Cut(v, " ")
		got[number] = true
	}
	for _, v := range acknowledged {
		if !got[v] {
			t.Errorf("message %s was acknowledged and is gone", v)
		}
	}
}
