package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// record is one record of the log, read.
type record struct {
	message bus.Message
	event   lake.Event
	poison  error // why it can never be handled
	late    bool  // nothing that asked for it was in force when it was received
}

// seek says that the fence stands elsewhere.
type seek struct{ next int64 }

func (s seek) Error() string { return fmt.Sprintf("the fence stands at %d", s.next) }

// Apply implements bus.LogSink. A batch that fails for good is split, down to the record, which is quarantined; other
// failures come back and the same batch is tried again.
func (s *Sink) Apply(ctx context.Context, _ string, partition int, batch []bus.Message) (int64, error) {
	epoch, err := s.epoch(partition)
	if err != nil {
		return 0, err
	}
	records, err := s.read(ctx, epoch, partition, batch)
	if err != nil {
		return 0, err
	}
	next, err := s.split(ctx, epoch, partition, records)
	if err != nil {
		return 0, fmt.Errorf("ingest partition %d from %d: %w", partition, batch[0].Offset, err)
	}
	for _, f := range s.o.Done {
		f()
	}
	return next, nil
}

func (s *Sink) split(ctx context.Context, epoch int64, partition int, records []record) (int64, error) {
	next, err := s.commit(ctx, epoch, partition, records)
	if err == nil || !fault.Is(err, fault.Invalid) {
		return next, err
	}
	if len(records) == 1 {
		records[0].poison = err
		return s.commit(ctx, epoch, partition, records)
	}
	half := len(records) / 2
	next, err = s.split(ctx, epoch, partition, records[:half])
	if err != nil || next != records[half].message.Offset {
		return next, err
	}
	return s.split(ctx, epoch, partition, records[half:])
}

// read decodes the batch and judges what was in force.
func (s *Sink) read(ctx context.Context, epoch int64, partition int, batch []bus.Message) ([]record, error) {
	records := make([]record, len(batch))
	var asked []contract.DirectiveID
	for i, m := range batch {
		r := &records[i]
		r.message = m
		envelope, e, err := contract.Decode[contract.CustomerEvent](m)
		if err == nil && envelope.Tenant != s.o.Tenant {
			err = fault.New(fault.Invalid, fault.Poison, "the record belongs to another tenant")
		}
		if err == nil {
			err = named(e.Parameters)
		}
		if r.poison = err; err != nil {
			r.event.Import = s.rowOf(m)
			continue
		}
		r.event = lake.Event{Tenant: envelope.Tenant, Place: lake.Place{Epoch: epoch, Partition: partition, Offset: m.Offset}, CustomerEvent: e}
		for _, a := range e.Asked {
			if !slices.Contains(asked, a.Directive) {
				asked = append(asked, a.Directive)
			}
		}
	}
	if len(asked) == 0 {
		return records, nil
	}
	validity, err := s.o.Directives.Validity(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("which directives were in force: %w", err)
	}
	for i := range records {
		if r := &records[i]; r.poison == nil {
			r.late = !inForce(&r.event, validity)
		}
	}
	return records, nil
}

// rowOf returns the row of a file that a record is of which cannot be read otherwise, so that the file's statement says where
// the row is. Where not even this can be read it returns nil: then the statement counts the row as lost.
func (s *Sink) rowOf(m bus.Message) *contract.ImportRow {
	var e struct {
		Import *contract.ImportRow `json:"import"`
	}
	if m.Header("ce_tenant") != string(s.o.Tenant) || json.Unmarshal(m.Value, &e) != nil || e.Import == nil || e.Import.Run == "" || e.Import.Row < 1 {
		return nil
	}
	return e.Import
}

// named refuses parameters whose names are none: they become field names in the stores.
func named(ps map[contract.ParameterName]json.RawMessage) error {
	for name := range ps {
		if _, ok := contract.FieldOf(contract.Profile, string(name)); !ok {
			return fault.New(fault.Invalid, fault.Poison, "a parameter's name is not snake case")
		}
	}
	return nil
}

func inForce(e *lake.Event, validity map[contract.DirectiveID]Validity) bool {
	return slices.ContainsFunc(e.Asked, func(a contract.Asked) bool {
		v, ok := validity[a.Directive]
		return ok && !e.ReceivedAt.Before(v.From) && e.ReceivedAt.Before(v.Until)
	})
}

// commit is the ingest transaction. It returns the offset to go on with.
func (s *Sink) commit(ctx context.Context, epoch int64, partition int, records []record) (int64, error) {
	first, next := records[0].message.Offset, records[len(records)-1].message.Offset+1
	var t tally
	err := s.o.Tx(ctx, func(ctx context.Context) error {
		t = tally{}
		ok, err := s.o.Fences.Advance(ctx, epoch, partition, first, next)
		if err != nil {
			return err
		}
		if !ok {
			fence, err := s.o.Fences.Open(ctx, epoch, partition)
			if err != nil {
				return err
			}
			// Behind or before: reading goes on where the fence stands. What cannot be read there any more comes back as a Gap.
			return seek{fence.Next}
		}
		return s.take(ctx, &t, records, Touch{Partition: partition, Position: positionOf(epoch, next)}, epoch)
	})
	var elsewhere seek
	if errors.As(err, &elsewhere) {
		return elsewhere.next, nil
	}
	if err != nil {
		return 0, err
	}
	s.report(ctx, &t)
	for i := range t.live {
		s.o.Arrived(&t.live[i])
	}
	return next, nil
}

// tally is what became of a batch.
type tally struct {
	stored   int64
	counts   Counts
	aside    []lake.Quarantined
	outcomes []RowOutcome
	live     []lake.Event // new, and no row of a file
}

// take gives the records their effect.
func (s *Sink) take(ctx context.Context, t *tally, records []record, at Touch, epoch int64) error {
	fresh, err := s.sift(ctx, t, records)
	if err != nil {
		return err
	}
	added, err := s.keep(ctx, t, fresh)
	if err != nil {
		return err
	}
	repeats, err := s.apply(ctx, added, at)
	if err != nil {
		return err
	}
	for i := range added {
		t.accepted(&added[i], repeats)
		if s.o.Arrived != nil && added[i].Import == nil {
			t.live = append(t.live, added[i])
		}
	}
	if len(t.aside) > 0 {
		if err := s.o.Quarantine.SetAside(ctx, t.aside); err != nil {
			return err
		}
	}
	if len(t.outcomes) > 0 {
		if err := s.o.Imports.Count(ctx, s.o.Tenant, at.Partition, t.outcomes); err != nil {
			return err
		}
	}
	if t.counts == (Counts{}) {
		return nil
	}
	return s.o.Fences.Add(ctx, epoch, at.Partition, t.counts, nil)
}

// sift takes out what is not kept: what names an erased customer, in whichever place; records that cannot be read; what was
// not in force.
func (s *Sink) sift(ctx context.Context, t *tally, records []record) ([]lake.Event, error) {
	erased, err := s.erased(ctx, records)
	if err != nil {
		return nil, err
	}
	fresh := make([]lake.Event, 0, len(records))
	for i := range records {
		switch r := &records[i]; {
		case erased[i]:
			t.counts.Suppressed++
			t.outcome(&r.event, fault.Suppressed)
		case r.poison != nil:
			t.aside = append(t.aside, s.poisoned(r))
			t.counts.Quarantined++
			t.outcome(&r.event, fault.Quarantined)
		case r.late:
			t.counts.NotInForce++
			t.outcome(&r.event, fault.NotInForce)
		default:
			fresh = append(fresh, r.event)
		}
	}
	return fresh, nil
}

// about returns the keys of whomever a record names. What cannot be taken in is set aside whole, so it must name nobody who was
// erased; its key in the log is the customer's.
func (s *Sink) about(r *record) []identity.Key {
	if r.poison == nil {
		return identity.Named(s.o.Keys, &r.event.CustomerEvent)
	}
	return append(identity.Mentioned(s.o.Keys, r.message.Value), identity.Key(r.message.Key))
}

// erased reports of each record whether it names a customer who is on the suppression list.
func (s *Sink) erased(ctx context.Context, records []record) ([]bool, error) {
	named := make([][]identity.Key, len(records))
	var customers []identity.Key
	for i := range records {
		named[i] = s.about(&records[i])
		customers = append(customers, named[i]...)
	}
	out := make([]bool, len(records))
	if len(customers) == 0 {
		return out, nil
	}
	slices.Sort(customers)
	listed, err := s.o.Suppression.Among(ctx, s.o.Tenant, slices.Compact(customers))
	if err != nil {
		return nil, err
	}
	for i := range named {
		out[i] = slices.ContainsFunc(named[i], func(k identity.Key) bool { return listed[k] })
	}
	return out, nil
}

// keep stores the events and returns the new ones.
func (s *Sink) keep(ctx context.Context, t *tally, events []lake.Event) ([]lake.Event, error) {
	if len(events) == 0 {
		return nil, nil
	}
	kept, err := s.o.Lake.Keep(ctx, events)
	if err != nil {
		return nil, err
	}
	added := make([]lake.Event, 0, len(events))
	for i, k := range kept {
		e := &events[i]
		switch k.Outcome {
		case lake.New:
			added = append(added, *e)
			t.stored++
		case lake.Duplicate:
			t.counts.Duplicate++
			if !again(e, k.Seen) {
				t.outcome(e, fault.Duplicate)
			}
		default:
			t.counts.Quarantined++
			t.aside = append(t.aside, s.clash(e))
			t.outcome(e, fault.Quarantined)
		}
	}
	return added, nil
}

// again reports whether the event is the very row of the file that is stored: published twice, not twice in the file.
func again(e *lake.Event, s lake.Seen) bool {
	return e.Import != nil && s.Import != nil && *e.Import == *s.Import
}

func (t *tally) outcome(e *lake.Event, code fault.Code) {
	if e.Import != nil {
		t.outcomes = append(t.outcomes, RowOutcome{Run: e.Import.Run, Row: e.Import.Row, Code: code})
	}
}

func (t *tally) accepted(e *lake.Event, repeats map[string]bool) {
	if e.Import == nil {
		return
	}
	o := RowOutcome{Run: e.Import.Run, Row: e.Import.Row, Code: fault.Accepted, Repeats: repeats[string(e.Source)+"|"+e.ID]}
	var a contract.Amount
	if raw, ok := e.Parameters[contract.ParamOrderAmount]; ok && decode(raw, &a) {
		o.Amount = &a.Minor
	}
	t.outcomes = append(t.outcomes, o)
}

func (s *Sink) poisoned(r *record) lake.Quarantined {
	place := lake.Place{Epoch: r.event.Place.Epoch, Partition: r.message.Partition, Offset: r.message.Offset}
	s.mu.Lock()
	place.Epoch = s.epochs[place.Partition]
	s.mu.Unlock()
	return lake.Quarantined{
		ID:     fmt.Sprintf("%s|%d/%d/%d", fault.Poison, place.Epoch, place.Partition, place.Offset),
		Tenant: s.o.Tenant, Reason: fault.Poison, At: s.now(), Customer: identity.Key(r.message.Key), Raw: r.message.Value, Place: &place,
	}
}

// clash names the record by its content, so that the same clash coming again is set aside once.
func (s *Sink) clash(e *lake.Event) lake.Quarantined {
	return lake.Quarantined{
		ID:     string(fault.IDConflict) + "|" + string(e.Source) + "|" + e.Content + "|" + e.ID,
		Tenant: e.Tenant, Reason: fault.IDConflict, At: s.now(), Source: e.Source, Event: &e.CustomerEvent, Place: &e.Place,
	}
}

func (s *Sink) now() time.Time { return s.o.Now().UTC().Truncate(time.Millisecond) }
