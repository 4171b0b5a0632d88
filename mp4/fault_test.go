package mp4_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// A disk that fails once or for good, at any of the calls: Close says why, and
// the file plays up to what Written has told.
func TestFaults(t *testing.T) {
	o := mp4.Options{Fragment: 200 * time.Millisecond, SlotBytes: 4096, SyncInterval: eachFragment}
	parts := lateParts(t)
	clean := trouble.NewDisk(nil)
	if err := record(t, clean, o, parts); err != nil {
		t.Fatal(err)
	}
	calls := clean.Calls()
	for _, injected := range []error{syscall.EIO, syscall.ENOSPC} {
		for n, c := range calls {
			for _, take := range []int64{0, c.Len / 2, c.Len - 1} {
				once, forever := trouble.FailOnce(n, take, injected), trouble.FailFrom(n, take, injected)
				what := fmt.Sprintf("%v at call %d of %d, %v of %d bytes after %d", injected, n, len(calls), c.Op, c.Len, take)
				if c.Op != trouble.OpAllocate { // it asks for more than it needs at first
					checkFault(t, what+", once", once, injected, o, parts)
				}
				checkFault(t, what+", for good", forever, injected, o, parts)
				if c.Op != trouble.OpWrite {
					break // takes all or nothing
				}
			}
		}
	}
}

func checkFault(t *testing.T, what string, fault trouble.Fault, injected error, o mp4.Options, parts []part) {
	t.Helper()
	d := trouble.NewDisk(fault)
	l := newLedger(d)
	o.Written = l.written
	err := record(t, d, o, parts)
	if !errors.Is(err, injected) || !errors.Is(err, mp4.ErrWrite) && !errors.Is(err, mp4.ErrFragmented) {
		t.Errorf("%s: Close returns %v", what, err)
	}
	checkPlays(t, what, d, l)
}

// checkPlays checks that a file has what Written has told, or more.
func checkPlays(t *testing.T, what string, d *trouble.Disk, l *ledger) {
	t.Helper()
	if l.total == 0 {
		return
	}
	r, err := read(t, scratch(t, d.Bytes()), true)
	if err != nil || r.err != nil {
		t.Errorf("%s: %v, %v", what, err, r.err)
		return
	}
	total := 0
	for _, packets := range r.packets {
		total += len(packets)
	}
	if total < l.total {
		t.Errorf("%s: %d samples in the file, %d have been written", what, total, l.total)
	}
}

// A full disk is met at any size. Where space can be set aside, what was
// written is finished in spite of it.
func TestFullDisk(t *testing.T) {
	parts := lateParts(t)
	for _, allocates := range []bool{true, false} {
		t.Run(fmt.Sprintf("allocates %v", allocates), func(t *testing.T) {
			o := mp4.Options{Fragment: 200 * time.Millisecond, SlotBytes: 4096, SyncInterval: eachFragment, Reserve: 4096}
			for size := int64(1000); size < 60_000; size += 1537 {
				d := trouble.NewDisk(trouble.Capacity(size, allocates))
				l := newLedger(d)
				o.Written = l.written
				err := record(t, d, o, parts)
				if err != nil && !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("disk of %d bytes: %v", size, err)
				}
				if allocates && errors.Is(err, mp4.ErrFragmented) {
					t.Errorf("disk of %d bytes: no room for the index: %v", size, err)
				}
				checkPlays(t, fmt.Sprintf("disk of %d bytes", size), d, l)
			}
		})
	}
}

// Writes that take less than they are given are continued.
func TestShortWrites(t *testing.T) {
	o := mp4.Options{Fragment: 200 * time.Millisecond}
	parts := lateParts(t)
	want, got := trouble.NewDisk(nil), trouble.NewDisk(trouble.ShortWrites(97))
	for _, d := range []*trouble.Disk{want, got} {
		if err := record(t, d, o, parts); err != nil {
			t.Fatal(err)
		}
	}
	judge.SameTables(t, judge.ListSamples(want.Bytes()), judge.ListSamples(got.Bytes()))
}

// While the disk is stuck samples are taken until the buffer is full, and then
// Write waits as long as its context allows. What was taken is in the file.
func TestStuckDisk(t *testing.T) {
	trouble.NothingLeft(t)
	d := trouble.NewDisk(nil)
	l := newLedger(d)
	w, err := mp4.NewWriter(d, mp4.Options{Fragment: 20 * time.Millisecond, BufferBytes: 1 << 16, Written: l.written})
	if err != nil {
		t.Fatal(err)
	}
	c := clip.Encode(t, "aac", clip.Options{Seconds: 1})
	track, err := w.AddTrack(mp4.TrackConfig{Codec: codecOf(t, c), Timescale: c.Timescale})
	if err != nil {
		t.Fatal(err)
	}
	d.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	taken, data := 0, make([]byte, 4000)
	for ; err == nil && taken < 1000; taken++ {
		err = track.Write(ctx, mp4.Sample{DTS: int64(taken) * 1024, PTS: int64(taken) * 1024, Duration: 1024, Sync: true, Data: data})
	}
	taken-- // the one that was refused
	if !errors.Is(err, context.DeadlineExceeded) || taken < 16 || taken > 40 {
		t.Errorf("after %d samples: %v", taken, err)
	}
	d.Release()
	if err := w.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if tables := judge.ListSamples(d.Bytes()); len(tables.Tracks[0].Samples) != taken || l.total != taken {
		t.Errorf("%d samples in the file, %d told, %d taken", len(tables.Tracks[0].Samples), l.total, taken)
	}
}
