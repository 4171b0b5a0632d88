package av

import (
	"slices"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
)

// trimmed gives packets at the given times, keyframes negative, to a lead that
// ends at 100, and returns the times of those that are let out.
func trimmed(t *testing.T, audio bool, times ...int64) (got []int64) {
	t.Helper()
	l := lead{origin: 100, preroll: decoderPreroll, audio: audio}
	out := func(p *ffmpeg.Packet) {
		got = append(got, p.PTS())
		p.Free()
	}
	for _, at := range times {
		p := ffmpeg.NewPacket()
		if err := p.SetData([]byte{0}, max(at, -at), max(at, -at), 10, at < 0); err != nil {
			t.Fatal(err)
		}
		if l.take(p) {
			continue
		}
		for _, held := range l.release() {
			out(held)
		}
		out(p)
	}
	for _, held := range l.release() {
		out(held)
	}
	return got
}

func TestTrim(t *testing.T) {
	before := ffmpeg.LiveObjects()
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
		if got := trimmed(t, c.audio, c.times...); !slices.Equal(got, c.want) {
			t.Errorf("%s: kept %v, want %v", name, got, c.want)
		}
	}
	if after := ffmpeg.LiveObjects(); after != before {
		t.Errorf("%d packets are left", after-before)
	}
}

// The packet of one picture does not account for the next one, which begins
// where it ends.
func TestPacketAccountsForItsOwnSamples(t *testing.T) {
	for audio, want := range map[bool]int64{false: 100, true: 110} {
		p := ffmpeg.NewPacket()
		if err := p.SetData([]byte{0}, 100, 100, 10, true); err != nil {
			t.Fatal(err)
		}
		if got := (packet{&stream{audio: audio}, p}).through(); got != want {
			t.Errorf("audio %v: what is at 100 and lasts 10 accounts for all up to %d, want %d", audio, got, want)
		}
		p.Free()
	}
}
