package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// A back-up that is taken amid an import, and twice, restores to a suite that goes on with the import where the back-up
// had it, and in which every record is accounted for.
func TestBackupAmidAnImport(t *testing.T) {
	r := up(t, t.TempDir())
	r.govern(t)
	r.register(t)
	r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	file := sample(t)
	x := newTraffic(t, file, 50)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = x.rows(t.Context(), r.steward, func(int64) {}) // the process is killed amid it
	}()
	eventually(t, measureWithin, "the first rows", func() error {
		_, err := r.steward.Conservation(t.Context())
		return err
	})
	kept := filepath.Join(t.TempDir(), "kept")
	succeeds(t, "backup", kept, "--url", r.url, "--data", r.dir)
	if _, problem, code := strata(t, "backup", kept, "--url", r.url, "--data", r.dir); code == 0 || !strings.Contains(problem, "not empty") {
		t.Errorf("a back-up over another: %s", problem)
	}
	select {
	case <-ended:
		t.Error("the import was over before the back-up: the test shows nothing")
	default:
	}
	r.kill()
	<-ended
	later := filepath.Join(t.TempDir(), "later") // of the folder as it lies there
	succeeds(t, "backup", later, "--url", r.url, "--data", r.dir)
	for _, backup := range []string{kept, later} {
		dir := filepath.Join(t.TempDir(), "restored")
		succeeds(t, "restore", backup, "--data", dir)
		if _, problem, code := strata(t, "restore", backup, "--data", dir); code == 0 || !strings.Contains(problem, "not empty") {
			t.Errorf("a restore over another folder: %s", problem)
		}
		again := up(t, dir)
		s := load(t, again.steward, file, "1998-07-01")
		if s.Stored != int64(len(file.Rows)) || s.Lost != 0 {
			t.Errorf("the statement: %d rows stored of %d, %d lost", s.Stored, len(file.Rows), s.Lost)
		}
		conserved(t, again.steward)
		again.stop(t)
	}
}
