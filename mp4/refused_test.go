package mp4

import (
	"errors"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// A sample that its codec refuses is no reason for a fragment, and the one
// before it does not last until it.
func TestRefusedSampleLeavesNothing(t *testing.T) {
	var told []Written
	w, err := NewWriter(trouble.NewDisk(nil), Options{Fragment: time.Second, SyncInterval: time.Nanosecond, Written: func(x Written) { told = append(told, x) }})
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.AddTrack(TrackConfig{Codec: Text{}, Timescale: 1000})
	if err != nil {
		t.Fatal(err)
	}
	write := func(dts int64, data string) error {
		return text.Write(t.Context(), Sample{DTS: dts, PTS: dts, Duration: 10, Sync: true, Data: []byte(data)})
	}
	if err := errors.Join(write(0, "a"), write(10, "b")); err != nil {
		t.Fatal(err)
	}
	if err := write(5000, "\xff"); !errors.Is(err, ErrSample) {
		t.Errorf("not UTF-8: %v", err)
	}
	if n := len(text.cur.samples); n != 2 || text.cur.samples[1].duration != 10 || w.sequence != 0 {
		t.Errorf("%d samples pending, %d fragments, %+v", n, w.sequence, text.cur.samples)
	}
	if err := errors.Join(w.Flush(), w.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].Samples != 2 || text.index.end() != 20 {
		t.Errorf("%+v, end %d", told, text.index.end())
	}
}

// Nor is it the beginning of a piece, which would have the description of
// before where SetCodec follows.
func TestRefusedSampleBeginsNothing(t *testing.T) {
	w, err := NewWriter(trouble.NewDisk(nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.AddTrack(TrackConfig{Codec: Text{}, Timescale: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(text.Write(t.Context(), Sample{Data: []byte("a")}), w.Flush()); err != nil {
		t.Fatal(err)
	}
	if err := text.Write(t.Context(), Sample{DTS: 5, PTS: 5, Data: []byte("\xff")}); !errors.Is(err, ErrSample) || text.cur != nil {
		t.Errorf("%v, pending %+v", err, text.cur)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
