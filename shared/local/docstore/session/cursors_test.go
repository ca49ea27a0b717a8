package session

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type noStream struct{}

func (noStream) Next(context.Context) (bson.Raw, bool, error) { return nil, false, nil }
func (noStream) Close()                                       {}

// TestCursorsThatNobodyReadsEnd lets time pass: a patient cursor lives as long as an idle session, any other ends before, and one that is
// read does not end.
func TestCursorsThatNobodyReadsEnd(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(0)
	cs := NewCursors(func() time.Time { return now })
	plain, patient := cs.Add(&Cursor{Stream: noStream{}}), cs.Add(&Cursor{Stream: noStream{}, Patient: true})
	read := cs.Add(&Cursor{Stream: noStream{}})
	there := func(id int64) bool {
		c, _ := cs.Take(id)
		if c != nil {
			cs.Put(c)
		}
		return c != nil
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{CursorTimeout, 3}, {CursorTimeout + time.Second, 2}, {Timeout, 2}, {Timeout + time.Second, 1}} {
		now = time.UnixMilli(0).Add(step.after)
		if !there(read) {
			t.Errorf("after %v the cursor that is read is gone", step.after)
		}
		if cs.Reap(); cs.Len() != step.want {
			t.Errorf("after %v %d cursors are open, want %d", step.after, cs.Len(), step.want)
		}
	}
	if there(plain) || there(patient) {
		t.Error("cursors are there that nobody read")
	}
}
