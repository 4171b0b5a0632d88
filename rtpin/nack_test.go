package rtpin

import (
	"slices"
	"testing"
	"time"
)

// asks runs a receiver that misses packet 11 until it is given up, and returns
// when it asked for which.
func asks(t *testing.T, change func(*handmade, *Config)) (h *handmade, at []time.Duration, what [][]uint16) {
	t.Helper()
	h = byHand(t, func(c *Config) {
		c.Nack = func(missing []uint16) {
			at = append(at, h.now)
			what = append(what, slices.Clone(missing))
		}
	})
	change(h, &h.r.cfg)
	for next, ok := h.r.Next(); ok; next, ok = h.r.Next() {
		if next <= h.now {
			t.Fatalf("at %v next event at %v", h.now, next)
		}
		h.now = next
		h.r.Poll(next)
	}
	return h, at, what
}

func TestNackRepeats(t *testing.T) {
	ms := time.Millisecond
	h, at, what := asks(t, func(h *handmade, c *Config) {
		c.MaxDelay = time.Second
		h.push(1, 10, 0)
		h.push(1, 12, 320)
	})
	// After 10 ms, and then with intervals of 20, 40, 80 and 100 ms.
	want := []time.Duration{10 * ms, 30 * ms, 70 * ms, 150 * ms, 250 * ms, 350 * ms, 450 * ms, 550 * ms}
	if !slices.Equal(at, want) {
		t.Errorf("asked at %v, want %v", at, want)
	}
	for _, w := range what {
		if !slices.Equal(w, []uint16{11}) {
			t.Errorf("asked for %v", w)
		}
	}
	h.expect(2, 0, 1)
	if h.now != time.Second {
		t.Errorf("given up at %v", h.now)
	}
}

func TestNackEndsWithMaxDelay(t *testing.T) {
	h, at, _ := asks(t, func(h *handmade, c *Config) {
		c.MaxDelay = 100 * time.Millisecond
		h.push(1, 10, 0)
		h.push(1, 12, 320)
	})
	if len(at) != 3 || at[2] != 70*time.Millisecond {
		t.Errorf("asked at %v", at)
	}
	h.expect(2)
}

// TestNackTolerance: a packet overtaken by one is not asked for; one overtaken
// by two is, at once.
func TestNackTolerance(t *testing.T) {
	var h *handmade
	var asked [][]uint16
	h = byHand(t, func(c *Config) {
		c.Nack = func(m []uint16) { asked = append(asked, slices.Clone(m)) }
	})
	h.push(1, 65533, 0)
	h.push(1, 65535, 320)
	h.push(1, 65534, 160)
	if len(asked) != 0 {
		t.Errorf("asked for %v", asked)
	}
	h.push(1, 2, 800)
	h.push(1, 3, 960)
	if len(asked) != 2 || !slices.Equal(asked[0], []uint16{0}) || !slices.Equal(asked[1], []uint16{1}) {
		t.Errorf("asked for %v", asked)
	}
	h.push(1, 0, 480)
	h.push(1, 1, 640)
	h.expect(7, 0, 0, 0, 0, 0, 0, 0)
	if s := h.r.Stats(); s.Recovered != 2 || s.Reordered != 3 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}
