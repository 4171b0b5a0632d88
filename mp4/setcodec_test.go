package mp4

import (
	"errors"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// A description that is refused changes nothing, before the first sample and
// after it.
func TestSetCodecRefused(t *testing.T) {
	w, a, b := newTestWriter(t, trouble.NewDisk(nil), Options{})
	for range 2 {
		for _, c := range []Codec{nil, PCM{Rate: 8000, Channels: 1, Bits: 7}, PCM{Rate: 16000, Channels: 1, Bits: 16}} {
			if err := a.SetCodec(c); !errors.Is(err, ErrConfig) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if len(a.boxes) != 1 || a.entry != 1 || a.frame != 2 {
			t.Errorf("entry %d of %d, frames of %d bytes", a.entry, len(a.boxes), a.frame)
		}
		if err := errors.Join(a.Write(t.Context(), Sample{DTS: a.last.dts + a.last.count, Data: make([]byte, 2)}), b.SetCodec(a.c.Codec)); err == nil {
			t.Error("PCM at another rate than the track's is taken")
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A track that was PCM and is not any more does not count its packets in
// frames; a description that comes back is not stored twice.
func TestSetCodecToAndFro(t *testing.T) {
	w, err := NewWriter(trouble.NewDisk(nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	opus, raw := Opus{Channels: 1, InputRate: 48000}, PCM{Rate: 48000, Channels: 1, Bits: 16}
	track, err := w.AddTrack(TrackConfig{Codec: raw, Timescale: 48000})
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(6) {
		codec, s := Codec(opus), opusAt(n)
		if n%2 == 0 {
			codec, s.Data = raw, make([]byte, 2*960)
		} else {
			s.Data = make([]byte, 5)
		}
		if err := errors.Join(track.SetCodec(codec), track.Write(t.Context(), s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x := &track.index; len(track.boxes) != 2 || x.samples != 3*960+3 || x.end() != 6*960 {
		t.Errorf("%d descriptions, %d samples, end %d", len(track.boxes), x.samples, x.end())
	}
}
