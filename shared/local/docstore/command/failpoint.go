package command

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// failPoints holds the fail points of test builds: failCommand, and onPrimaryTransactionalWrite, which breaks the
// connection after a retryable write, or before it is committed.
type failPoints struct {
	mu     sync.Mutex
	active *failPoint
	writes *failPoint
}

type failPoint struct {
	left int64 // -1 means always
	skip int64
	data bson.Raw
}

// failure is what a fail point adds to the reply of a command that was carried out.
type failure struct {
	writeConcern bson.RawValue
	labels       []string
}

func (f failure) amend(out *bsonx.DocBuilder) *bsonx.DocBuilder {
	if len(f.labels) > 0 {
		out.Append("errorLabels", labelArray(f.labels))
	}
	return out.Append("writeConcernError", f.writeConcern)
}

func failPointCommands() map[string]*command {
	return map[string]*command{"configureFailPoint": {run: configureFailPoint, adminOnly: true, fields: fields{"mode": anything, "data": isDoc}, required: []string{"mode"}}}
}

func configureFailPoint(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	name := r.text(r.name)
	if name != "failCommand" && name != "onPrimaryTransactionalWrite" {
		return nil, mongoerr.New(mongoerr.BadValue, "fail point %q does not exist here, only failCommand and onPrimaryTransactionalWrite", name)
	}
	p := &failPoint{left: -1, data: orEmpty(r.doc("data"))}
	switch mode := r.get("mode"); mode.Type {
	case bson.TypeString:
		if mode.StringValue() == "off" {
			p = nil
		}
	case bson.TypeEmbeddedDocument:
		if n, ok := wholeNumber(bsonx.Lookup(mode.Value, "times")); ok {
			p.left = n
		}
		p.skip, _ = wholeNumber(bsonx.Lookup(mode.Value, "skip"))
	default:
		return nil, wrongType("mode", mode, "string or object")
	}
	r.fail.mu.Lock()
	defer r.fail.mu.Unlock()
	if name == "failCommand" {
		r.fail.active = p
	} else {
		r.fail.writes = p
	}
	return bsonx.NewDoc(16), nil
}

// match applies the fail point to a command: it may delay it, fail it, or change its reply.
func (f *failPoints) match(ctx context.Context, r *request) (failure, error) {
	data := f.take(r)
	if data == nil {
		return failure{}, nil
	}
	if bsonx.Truthy(orNull(bsonx.Lookup(data, "blockConnection"))) {
		ms, _ := wholeNumber(bsonx.Lookup(data, "blockTimeMS"))
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
		case <-ctx.Done():
		}
	}
	if bsonx.Truthy(orNull(bsonx.Lookup(data, "closeConnection"))) {
		return failure{}, errHangUp
	}
	if code, ok := wholeNumber(bsonx.Lookup(data, "errorCode")); ok {
		e := mongoerr.New(int32(code), "Failing command via 'failCommand' failpoint")
		labels := bsonx.Lookup(data, "errorLabels")
		for it := bsonx.Items(labels); it.Next(); {
			e = e.WithLabel(string(bsonx.StringBytes(it.Value())))
		}
		if bsonx.IsMissing(labels) {
			e = r.naturalLabels(e)
		}
		return failure{}, e
	}
	failed := failure{writeConcern: bsonx.Lookup(data, "writeConcernError")}
	if code, ok := wholeNumber(bsonx.Lookup(failed.writeConcern.Value, "code")); ok {
		if r.mayRetry() && retryable[int32(code)] {
			failed.labels = []string{mongoerr.RetryableWriteError}
		}
	}
	for it := bsonx.Items(bsonx.Lookup(data, "errorLabels")); it.Next(); {
		failed.labels = append(failed.labels, string(bsonx.StringBytes(it.Value())))
	}
	return failed, nil
}

func (f *failPoints) take(r *request) bson.Raw {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.active
	if p == nil || !p.names(r.name) {
		return nil
	}
	if app := bsonx.StringBytes(bsonx.Lookup(p.data, "appName")); app != nil && string(app) != r.conn.AppName {
		return nil
	}
	if !p.fires() {
		return nil
	}
	return p.data
}

// fires counts a use of the fail point.
func (p *failPoint) fires() bool {
	switch {
	case p.left == 0:
		return false
	case p.skip > 0:
		p.skip--
		return false
	case p.left > 0:
		p.left--
	}
	return true
}

// write reports whether a retryable write is to lose its connection, and whether it is to be undone before.
func (f *failPoints) write() (lost, undone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writes == nil || !f.writes.fires() {
		return false, false
	}
	return true, !bsonx.IsMissing(bsonx.Lookup(f.writes.data, "failBeforeCommitExceptionCode"))
}

func (p *failPoint) names(command string) bool {
	for it := bsonx.Items(bsonx.Lookup(p.data, "failCommands")); it.Next(); {
		if string(bsonx.StringBytes(it.Value())) == command {
			return true
		}
	}
	return false
}
