package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
)

const (
	startWithin = 90 * time.Second
	stopWithin  = 40 * time.Second
)

// running is a started `strata up`.
type running struct {
	url  string
	dir  string
	cmd  *exec.Cmd
	done chan struct{}
	log  *logFile

	executive, second, manager, steward, collector *client.Client
}

// logFile collects what a process writes; a failed test shows its end.
type logFile struct {
	mu   sync.Mutex
	text []byte
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if len(l.text) > 1<<20 {
		l.text = l.text[len(l.text)-1<<19:]
	}
	return len(p), nil
}

func (l *logFile) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text[max(0, len(l.text)-4000):])
}

// up starts `strata up` on the folder and waits until it is ready.
func up(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	tokens := filepath.Join(dir, "tokens")
	_ = os.Remove(tokens)
	r := &running{dir: dir, done: make(chan struct{}), log: &logFile{}}
	r.cmd = exec.Command(filepath.Join(bin, "strata"), append([]string{"up", "--data", dir, "--listen", "127.0.0.1:0", "--tokens", tokens}, args...)...)
	r.cmd.Stderr = r.log
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", dir, r.log.tail())
		}
	})
	r.url = r.greeted(t, out)
	r.sign(t, tokens)
	return r
}

// greeted reads standard output until the suite says that it is ready, and returns its address.
func (r *running) greeted(t *testing.T, out io.Reader) string {
	t.Helper()
	ready, url := make(chan struct{}), ""
	go func() {
		defer close(r.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, after, ok := strings.Cut(lines.Text(), "runs at "); ok {
				url, _, _ = strings.Cut(after, " ")
			}
			if strings.Contains(lines.Text(), "Ctrl-C") {
				close(ready)
			}
		}
		_ = r.cmd.Wait()
	}()
	select {
	case <-ready:
	case <-r.done:
		t.Fatalf("strata up ended before it was ready:\n%s", r.log.tail())
	case <-time.After(startWithin):
		t.Fatalf("strata up was not ready within %s:\n%s", startWithin, r.log.tail())
	}
	return url
}

// sign makes the clients of the people in the file of tokens.
func (r *running) sign(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		subject, token, _ := strings.Cut(strings.TrimSpace(line), "=")
		c, err := client.New(r.url, token)
		if err != nil {
			t.Fatal(err)
		}
		switch subject {
		case "executive-1":
			r.executive = c
		case "executive-2":
			r.second = c
		case "manager-1":
			r.manager = c
		case "steward-1":
			r.steward = c
		case "collector-1":
			r.collector = c
		}
	}
}

// kill ends the process as kill -9 does, and waits until it is gone.
func (r *running) kill() {
	_ = r.cmd.Process.Kill()
	<-r.done
}

// stop asks the process to end and checks that it does so in order.
func (r *running) stop(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.done:
	case <-time.After(stopWithin):
		r.kill()
		t.Fatalf("strata up did not stop within %s:\n%s", stopWithin, r.log.tail())
	}
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("strata up ended with %d:\n%s", code, r.log.tail())
	}
}

// service is one layer in a process of its own.
type service struct {
	url string
	cmd *exec.Cmd
	log *logFile
}

// alone starts one layer's own program with the settings, at a free port.
func alone(t *testing.T, layer string, settings []string) *service {
	t.Helper()
	port := freePort(t)
	s := &service{url: "http://127.0.0.1:" + port, log: &logFile{}}
	s.cmd = exec.Command(filepath.Join(bin, layer))
	s.cmd.Env = append(settings, "STRATA_"+strings.ToUpper(layer)+"_HTTP_LISTEN=127.0.0.1:"+port, "STRATA_"+strings.ToUpper(layer)+"_TELEMETRY_LOGLEVEL=warn")
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", layer, s.log.tail())
		}
	})
	eventually(t, startWithin, layer+" is ready", func() error {
		answer, err := http.Get(s.url + "/readyz")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("readyz: %s %s", answer.Status, text)
		}
		return nil
	})
	return s
}

// eventually waits until check returns nil.
func eventually(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not come within %s: %v", what, within, err)
		case <-ticker.C:
		}
	}
}

var errNotYet = errors.New("not yet")
