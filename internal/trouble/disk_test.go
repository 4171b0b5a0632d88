package trouble

import (
	"bytes"
	"errors"
	"slices"
	"syscall"
	"testing"
)

func TestFaults(t *testing.T) {
	broken := errors.New("broken")
	// What is done with each disk: write 4 bytes, sync, allocate 8, write 4
	// more, truncate to 6.
	tests := map[string]struct {
		fault Fault
		want  []error
		data  string
	}{
		"none":        {nil, []error{nil, nil, nil, nil, nil}, "abcdef"},
		"first write": {FailOnce(0, 2, broken), []error{broken, nil, nil, nil, nil}, "ab\x00\x00ef"},
		"from third":  {FailFrom(2, 0, broken), []error{nil, nil, broken, broken, broken}, "abcd"},
		"second half": {FailFrom(3, 1, broken), []error{nil, nil, nil, broken, broken}, "abcde"},
		"sync":        {FailNth(OpSync, 0, broken), []error{nil, broken, nil, nil, nil}, "abcdef"},
		"write 2":     {FailNth(OpWrite, 1, broken), []error{nil, nil, nil, broken, nil}, "abcd\x00\x00"},
		"truncate":    {FailNth(OpTruncate, 0, broken), []error{nil, nil, nil, nil, broken}, "abcdefgh"},
		"full":        {Capacity(5, true), []error{nil, nil, syscall.ENOSPC, syscall.ENOSPC, nil}, "abcde\x00"},
		"no allocate": {Capacity(8, false), []error{nil, nil, errors.ErrUnsupported, nil, nil}, "abcdef"},
		"short":       {ShortWrites(3), []error{nil, nil, nil, nil, nil}, "abc\x00ef"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := NewDisk(tt.fault)
			_, first := d.WriteAt([]byte("abcd"), 0)
			second := d.Sync()
			third := d.Allocate(0, 8)
			_, fourth := d.WriteAt([]byte("efgh"), 4)
			got := []error{first, second, third, fourth, d.Truncate(6)}
			if !slices.Equal(got, tt.want) {
				t.Errorf("errors %v, want %v", got, tt.want)
			}
			if data := string(d.Bytes()); data != tt.data {
				t.Errorf("holds %q, want %q", data, tt.data)
			}
			if calls := d.Calls(); len(calls) != 5 || calls[3] != (Call{OpWrite, 3, 4, 4}) {
				t.Errorf("calls %v", calls)
			}
		})
	}
}

func TestHold(t *testing.T) {
	d := NewDisk(nil)
	d.Hold()
	done := make(chan error, 1)
	go func() { done <- d.Sync() }()
	select {
	case <-done:
		t.Fatal("a held disk synced")
	default:
	}
	d.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// images gathers all states by content.
func images(d *Disk, samples int) map[string]string {
	all := map[string]string{}
	for i := range d.PowerLoss(1, samples) {
		all[string(i.Data)] = i.What
	}
	return all
}

func TestPowerLoss(t *testing.T) {
	d := NewDisk(nil)
	write := func(s string, off int64) {
		t.Helper()
		if _, err := d.WriteAt([]byte(s), off); err != nil {
			t.Fatal(err)
		}
	}
	write("ABCD", 0)
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	write("xy", 0)
	write("EF", 4)
	got := images(d, 10)
	for _, want := range []string{
		"", "ABCD", "\x00\x00\x00\x00", "AB\x00\x00", "\x00BCD", // before the sync
		"ABCDEF", "xyCDEF", "xyCD", "xyCD\x00\x00", "xBCDEF", "AyCD\x00\x00", "ABCD\x00F", "xyCDE\x00", // after it
	} {
		if _, ok := got[want]; !ok {
			t.Errorf("%q is not among the images", want)
		}
	}
	for data, what := range got {
		if len(data) > 4 && data[2:4] != "CD" {
			t.Errorf("%s lost what was synced: %q", what, data)
		}
	}
}

// The replay ends with what the disk holds.
func TestKilled(t *testing.T) {
	d, again := NewDisk(nil), []byte(nil)
	for _, s := range []string{"hello", "J"} {
		if _, err := d.WriteAt([]byte(s), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Truncate(7); err != nil {
		t.Fatal(err)
	}
	moments := 0
	for m := range d.Killed() {
		moments++
		if m.Call.Op == OpTruncate {
			again = resize(again, m.Call.Len)
		} else {
			again = overwrite(again, m.Byte, m.Call.Off+m.Done-1)
		}
	}
	if moments != 7 || !bytes.Equal(again, d.Bytes()) {
		t.Errorf("%d moments end with %q, want 7 and %q", moments, again, d.Bytes())
	}
}

// Writes of many sectors are sampled, and any sector may be the one that is
// missing.
func TestPowerLossOfManySectors(t *testing.T) {
	d := NewDisk(nil)
	if _, err := d.WriteAt(bytes.Repeat([]byte{1}, 20*sector), 100); err != nil {
		t.Fatal(err)
	}
	if err := d.Truncate(5000); err != nil {
		t.Fatal(err)
	}
	missing, sizes := map[int]bool{}, map[int]bool{}
	for data := range images(d, 200) {
		sizes[len(data)] = true
		for i := range len(data) / sector {
			if data[i*sector+200] == 0 {
				missing[i] = true
			}
		}
	}
	if len(missing) != 20 || !sizes[0] || !sizes[5000] || !sizes[20*sector+100] {
		t.Errorf("missing sectors %v, sizes %v", missing, sizes)
	}
	n := 0
	for range d.PowerLoss(1, 200) { // an iterator can be left early
		if n++; n == 3 {
			break
		}
	}
}
