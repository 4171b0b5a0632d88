package av

import (
	"slices"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// shown is a packet of a picture, keyframes negative, or of audio.
type shown struct{ dts, pts int64 }

// trimmed gives packets to a lead that ends at 100, and returns the times of
// those that are let out.
func trimmed(audio, hides bool, packets ...shown) (got []int64) {
	l := lead{origin: 100, preroll: decoderPreroll, audio: audio, hides: hides}
	for _, at := range packets {
		p := packet{dts: max(at.dts, -at.dts), pts: at.pts, duration: 10, key: at.dts < 0, data: []byte{0}}
		if l.take(p) {
			continue
		}
		for _, held := range l.release() {
			got = append(got, held.pts)
		}
		got = append(got, p.pts)
	}
	for _, held := range l.release() {
		got = append(got, held.pts)
	}
	return got
}

func inOrder(times []int64) (packets []shown) {
	for _, at := range times {
		packets = append(packets, shown{at, max(at, -at)})
	}
	return packets
}

func TestTrim(t *testing.T) {
	for name, c := range map[string]struct {
		audio       bool
		times, want []int64
	}{
		"audio keeps its preroll":         {true, []int64{15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115}, []int64{55, 65, 75, 85, 95, 105, 115}},
		"audio with little before":        {true, []int64{95, 105}, []int64{95, 105}},
		"audio that begins later":         {true, []int64{205, 215}, []int64{205, 215}},
		"audio that ends in the middle":   {true, []int64{85, 95}, []int64{85, 95}},
		"audio that ends before":          {true, []int64{70, 80, 90}, nil},
		"pictures from the keyframe on":   {false, []int64{-35, 45, -65, 75, 85, 95, 105, -115}, []int64{65, 75, 85, 100, 105, 115}},
		"picture at the origin":           {false, []int64{-100, 110}, []int64{100, 110}},
		"pictures that begin later":       {false, []int64{-205, 215}, []int64{205, 215}},
		"picture that stands at the end":  {false, []int64{-35}, []int64{100}},
		"pictures of which none is later": {false, []int64{-35, 45, 55}, []int64{35, 45, 100}},
	} {
		if got := trimmed(c.audio, true, inOrder(c.times)...); !slices.Equal(got, c.want) {
			t.Errorf("%s: kept %v, want %v", name, got, c.want)
		}
	}
}

// Copied pictures come in the order of decoding, and are told apart by when
// they are shown.
func TestTrimReordered(t *testing.T) {
	group := []shown{{-20, 40}, {30, 80}, {40, 60}, {60, 120}, {70, 90}, {80, 110}, {105, 130}}
	if got, want := trimmed(false, true, group...), []int64{40, 80, 60, 120, 100, 110, 130}; !slices.Equal(got, want) {
		t.Errorf("with edit lists: shown at %v, want %v", got, want)
	}
	if got, want := trimmed(false, false, group...), []int64{100, 190, 280, 370, 460, 550, 130}; !slices.Equal(got, want) {
		t.Errorf("without: shown at %v, want %v", got, want)
	}
}

// The account of what is before the origin goes by what will be seen.
func TestTrimLedger(t *testing.T) {
	for hides, want := range map[bool]int64{true: 3, false: 0} {
		l := lead{origin: 100, hides: hides}
		account := newLedger(recorder.Track{Kind: media.KindVideo})
		for _, at := range []shown{{-20, 40}, {30, 80}, {40, 60}, {60, 120}, {70, 90}, {80, 110}} {
			account.accept(max(at.dts, -at.dts))
			l.take(packet{dts: max(at.dts, -at.dts), pts: at.pts, key: at.dts < 0, data: []byte{0}, mark: max(at.dts, -at.dts)})
		}
		account.trim(l.origin, l.shows)
		account.confirm(80, 1)
		r := account.report(0)
		if got := r.Dropped[recorder.DropBeforeStart]; got != want || r.SamplesWritten != 6-want {
			t.Errorf("edit lists %v: %d dropped and %d written, want %d and %d", hides, got, r.SamplesWritten, want, 6-want)
		}
	}
}
