package realkafka_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strata-crm/strata/deploy/internal/realkafka"
)

const (
	sumOfA = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" // of "a"
	sumOfB = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d" // of "b"
)

func TestVerifyJars(t *testing.T) {
	t.Parallel()
	const pinned = sumOfA + "  a.jar\n" + sumOfB + "  b.jar\n"
	for _, c := range []struct {
		name, sums string
		jars       map[string]string
		want       []string // parts of the error; none = no error
	}{
		{"as pinned", pinned, map[string]string{"a.jar": "a", "b.jar": "b"}, nil},
		{"changed", pinned, map[string]string{"a.jar": "a", "b.jar": "B"}, []string{"b.jar has SHA-256", sumOfB, "do not run it"}},
		{"missing", pinned, map[string]string{"a.jar": "a"}, []string{"b.jar is missing", "make kafka-jars"}},
		{"one too many", pinned, map[string]string{"a.jar": "a", "b.jar": "b", "c.jar": "c"}, []string{"c.jar is not one of the pinned"}},
		{"all that is wrong at once", pinned, map[string]string{"a.jar": "A", "c.jar": "c"}, []string{"a.jar has", "b.jar is missing", "c.jar is not"}},
		{"no sums", "", map[string]string{"a.jar": "a"}, []string{"pins nothing"}},
		{"sums cut short", sumOfA[:20] + "  a.jar\n", map[string]string{"a.jar": "a"}, []string{"is not `SHA-256"}},
		{"a sum of a file elsewhere", sumOfA + "  ../a.jar\n", map[string]string{"a.jar": "a"}, []string{"is not `SHA-256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "sums"), c.sums)
			for name, text := range c.jars {
				write(t, filepath.Join(dir, "lib", name), text)
			}
			check(t, realkafka.VerifyJars(filepath.Join(dir, "lib"), filepath.Join(dir, "sums")), c.want)
		})
	}
}

func TestVerifyJarsThatWereNotFetched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sums"), sumOfA+"  a.jar\n")
	check(t, realkafka.VerifyJars(filepath.Join(dir, "lib"), filepath.Join(dir, "sums")), []string{"make kafka-jars"})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"twice", "a=1\na=2\n", "twice"},
		{"no value", "a\n", "not a setting"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "p")
			write(t, file, c.text)
			_, err := realkafka.Settings(file)
			check(t, err, []string{c.want})
		})
	}
	file := filepath.Join(t.TempDir(), "p")
	write(t, file, "# why\n\na.b=1=2\nc=\n")
	got, err := realkafka.Settings(file)
	if err != nil || len(got) != 2 || got["a.b"] != "1=2" || got["c"] != "" {
		t.Fatalf("settings %v, error %v", got, err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want one with %q", err, part)
		}
	}
}
