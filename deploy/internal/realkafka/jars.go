// Package realkafka runs a broker of Apache Kafka, or a small cluster, from its published jars, for tests: KRaft, on
// loopback, at ports chosen when it is made, in a folder of its own. It owns the process from format to end, and that the
// jars are the ones pinned. It does not fetch them (`make kafka-jars` does, with Maven) and knows nothing of what runs against
// the broker.
package realkafka

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/fault"
)

const howToFetch = "run `make kafka-jars`"

// VerifyJars returns nil when the folder holds exactly the jars that sums lists (lines as of sha256sum), with those
// contents. An error names every jar that is missing, changed or not listed.
func VerifyJars(folder, sums string) error {
	want, err := readSums(sums)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Invalid, fault.BadRequest, "the jars of Apache Kafka are not in %s: %s", folder, howToFetch)
	}
	if err != nil {
		return fmt.Errorf("look for the jars of Apache Kafka: %w", err)
	}
	var errs []error
	for _, e := range entries {
		sum, listed := want[e.Name()]
		delete(want, e.Name())
		if !listed {
			errs = append(errs, fault.New(fault.Invalid, fault.BadRequest, "%s is not one of the pinned jars: remove %s and %s", e.Name(), folder, howToFetch))
			continue
		}
		errs = append(errs, verify(filepath.Join(folder, e.Name()), sum))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		errs = append(errs, fault.New(fault.Invalid, fault.BadRequest, "%s is missing in %s: %s", name, folder, howToFetch))
	}
	return errors.Join(errs...)
}

func verify(name, want string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("verify a jar: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("verify %s: %w", name, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fault.New(fault.Invalid, fault.BadRequest, "%s has SHA-256 %s, pinned is %s: do not run it; find out who changed it", name, got, want)
	}
	return nil
}

func readSums(name string) (map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the pinned checksums: %w", err)
	}
	defer f.Close()
	sums := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		sum, jar, ok := strings.Cut(lines.Text(), "  ")
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size || filepath.Base(jar) != jar {
			return nil, fault.New(fault.Invalid, fault.BadRequest, "%s: %q is not `SHA-256, two blanks, name of a jar`", name, lines.Text())
		}
		sums[jar] = sum
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the pinned checksums: %w", err)
	}
	if len(sums) == 0 {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "%s pins nothing", name)
	}
	return sums, nil
}
