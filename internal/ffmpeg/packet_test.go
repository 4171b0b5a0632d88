package ffmpeg

import (
	"math"
	"testing"
	"time"
)

func TestToDuration(t *testing.T) {
	for _, c := range []struct {
		t, num, den int64
		want        time.Duration
	}{
		{0, 1, 48000, 0},
		{1, 1, 48000, 20833},
		{-1024, 1, 48000, -21333333},
		{1, 1, 3, 333333333},
		{2, 1, 3, 666666667},
		{1, 1, 2_000_000_000, 1}, // halves go away from zero
		{-1, 1, 2_000_000_000, -1},
		{90001, 1001, 30000, 3003033366667},
		{math.MaxInt64, 1, 1_000_000_000, math.MaxInt64},
		{math.MaxInt64, 1, 1000, NoPTS}, // too long
		{math.MinInt64 + 1, 1, 1, NoPTS},
		{noPTS, 1, 90000, NoPTS},
		{5, 0, 0, NoPTS},
	} {
		if got := toDuration(c.t, c.num, c.den); got != c.want {
			t.Errorf("%d * %d/%d s is %d ns, want %d", c.t, c.num, c.den, got, c.want)
		}
	}
}

// A packet that was freed with data is empty when it is given out again, and
// what is kept is bounded.
func TestPacketsAreUsedAgain(t *testing.T) {
	noLeak(t)
	var all []*Packet
	for range 2 * len(packets.free) {
		p := NewPacket()
		if p.Data() != nil {
			t.Fatalf("a new packet has %d bytes", len(p.Data()))
		}
		if err := p.SetData(make([]byte, 64<<10), 1, 2, 3, true); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	for _, p := range all {
		p.Free()
		p.Free()
	}
	if packets.bytes > keptBytes || packets.n == 0 {
		t.Errorf("%d packets of %d bytes are kept (allowed: %d bytes)", packets.n, packets.bytes, keptBytes)
	}
	p := NewPacket()
	defer p.Free()
	if p.Data() != nil || p.IsKey() || p.Duration() != 0 {
		t.Errorf("used again with %d bytes, key %v, duration %d", len(p.Data()), p.IsKey(), p.Duration())
	}
}
