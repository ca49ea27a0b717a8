// Package e2e tests the built program from outside: over HTTP, and over Kafka and MongoDB where a test has to reach
// behind. Nothing here knows how the suite works within; what is expected comes from package oracle or from testdata.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is the folder of the built programs.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "strata-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(bin) }()
	build := exec.Command("go", "build", "-o", bin+"/", "./deploy/strata", "./strategic/cmd/strategic", "./functional/cmd/functional", "./operational/cmd/operational")
	build.Dir = root()
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// root is the project's root: the folder with go.work.
func root() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
}

// full reports whether the long versions are wanted.
func full() bool { return os.Getenv("STRATA_FULL") != "" }

// data returns a file of the shared data. In CI it must be there.
func data(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(root()), "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("the shared data are not there: ", err)
	}
	return path
}
