package pipeline_test

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
)

// What passes the memory bound and goes to disk comes out as if it had been kept in memory, and leaves no file behind.
func TestSpilledIsTheSame(t *testing.T) {
	t.Parallel()
	in := sales(5000)
	for text, ordered := range map[string]bool{
		`[{"$sort":{"weight":1}}]`:                                                           true,
		`[{"$sort":{"weight":-1,"at":1}},{"$skip":10}]`:                                      true,
		`[{"$group":{"_id":"$_id","n":{"$sum":"$weight"},"all":{"$push":"$weight"}}}]`:       false,
		`[{"$group":{"_id":"$weight","first":{"$first":"$_id"},"set":{"$addToSet":"$at"}}}]`: false,
	} {
		dir := t.TempDir()
		want, err := run(t, text, pipeline.Deps{}, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := run(t, text, pipeline.Deps{MemoryLimit: 24 << 10, AllowDiskUse: true, TempDir: dir}, in)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		a, b := texts(want), texts(got)
		if !ordered {
			slices.Sort(a)
			slices.Sort(b)
		}
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%s (-in memory +spilled):\n%s", text, d)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left in the folder: %v, %v", text, left, err)
		}
	}
}
