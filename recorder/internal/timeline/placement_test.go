package timeline

import (
	"math"
	"testing"
)

// holding makes a holdback of packets of 20 ms with the given errors, in ms.
func holding(errors ...float64) *holdback {
	h := new(holdback)
	for _, e := range errors {
		h.push(heldPacket{length: 0.02, frames: 320, bytes: 640, error: e / 1e3}, nil)
	}
	return h
}

func TestDecide(t *testing.T) {
	const open = -1
	for _, c := range []struct {
		name    string
		jitter  float64 // ms
		errors  []float64
		forced  bool
		from    int // first packet that is shifted, or open
		shift   float64
		repeats bool
	}{
		{name: "too early to tell", errors: []float64{90, 90, 90}, from: open},
		{name: "a gap", errors: []float64{90, 90, 90, 90}, from: 0, shift: 90},
		{name: "a lost packet", errors: []float64{20, 20, 20, 20}, from: 0, shift: 20},
		{name: "three seconds", errors: []float64{3000, 3000.4, 3000, 2999.5}, from: 0, shift: 2999.975},
		{name: "an outlier", errors: []float64{200, 0, 0}, from: open},
		{name: "an outlier, over", errors: []float64{200, 0, 0, 0, 0}, from: 5},
		{name: "a burst", errors: []float64{200, 180, 160, 140, 120}, from: open},
		{name: "a burst, over", errors: []float64{60, 40, 20, 0, 0, 0, 0}, from: 7},
		{name: "an outlier before a gap", errors: []float64{-150, 60, 60, 60, 60}, from: 1, shift: 60},
		{name: "two gaps", errors: []float64{20, 60, 60, 60, 60}, from: 1, shift: 60},
		{name: "set back, in doubt", errors: []float64{-500, -500, -500, -500, -500}, from: open},
		{name: "set back", errors: []float64{-500, -500, -500, -500, -500}, forced: true, from: 0, shift: -500},
		{name: "repeats", errors: []float64{-100, -100, -40, -40, -40, -40}, from: 2, shift: -40, repeats: true},
		{name: "the last packet of all", errors: []float64{90}, forced: true, from: 0, shift: 90},
		{name: "the last packet, not far off", errors: []float64{25}, forced: true, from: 0, shift: 25},
		{name: "the last packet of one that jitters", jitter: 11.5, errors: []float64{35}, forced: true, from: 1},
		{name: "jitter", jitter: 11.5, errors: []float64{31, -19, 8, 4, -12, 19, 3, -7, 15, -2, 11, -17, 6, -9, 18, 2, -14, 9, -5, 12, -1, 3}, from: 22},
		{name: "a lost packet in jitter", jitter: 11.5, errors: []float64{31, 1, 28, 24, 8, 39, 23, 13, 35, 18, 31, 3, 26, 11, 38, 22, 6, 29, 15, 32, 19, 23}, from: 0, shift: 21.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := holding(c.errors...)
			v, ok := h.decide(&sourceClock{jitter: max(c.jitter/1e3, jitterFloor)}, c.forced)
			if ok != (c.from != open) {
				t.Fatalf("decided: %v", ok)
			}
			if !ok {
				return
			}
			if v.from != c.from || v.repeats != c.repeats || v.shifted != (c.from < len(c.errors) && !c.repeats) {
				t.Fatalf("%+v", v)
			}
			if v.shifted && math.Abs(v.shift-c.shift/1e3) > 0.5e-3 {
				t.Errorf("shifted by %.2f ms, want %.2f", v.shift*1e3, c.shift)
			}
		})
	}
}

func TestBegin(t *testing.T) {
	same := func(v float64, n int) (out []float64) {
		for range n {
			out = append(out, v)
		}
		return out
	}
	burst := []float64{0, -20, -40, -60, -80, -100}
	for _, c := range []struct {
		name   string
		errors []float64
		forced bool
		wait   bool
		shift  float64
	}{
		{name: "too early", errors: same(0, 7), wait: true},
		{name: "exact", errors: same(0, 8), shift: 0},
		{name: "the first is late", errors: append([]float64{0}, same(-30, 8)...), shift: -30},
		{name: "the first is early", errors: append([]float64{0}, same(30, 8)...), shift: 30},
		{name: "a gap", errors: append(same(0, 4), same(90, 4)...), shift: 0},
		{name: "a gap, and the end", errors: []float64{0, 0, 90}, forced: true, shift: 0},
		{name: "in a burst", errors: append(burst, -100, -100), wait: true},
		{name: "behind a burst", errors: append(burst, same(-100, 12)...), shift: -100},
	} {
		v, ok := holding(c.errors...).begin(c.forced)
		if ok == c.wait {
			t.Errorf("%s: decided: %v", c.name, ok)
		} else if ok && math.Abs(v.shift-c.shift/1e3) > 1e-9 {
			t.Errorf("%s: begins at %v, want %v ms", c.name, v.shift*1e3, c.shift)
		}
	}
}

func TestShiftAlarm(t *testing.T) {
	// A shift of 20 ms in ±20 ms is noticed within some packets, in either
	// direction, and single large errors are not.
	for _, sign := range []float64{1, -1} {
		var a shiftAlarm
		for range 1000 {
			for _, e := range []float64{-20, 20, -10, 10, 0} {
				if a.observe(sign*e/1e3, 11.5e-3) {
					t.Fatal("false alarm")
				}
			}
		}
		n := 0
		for ; !a.observe(sign*[]float64{0, 40, 10, 30, 20}[n%5]/1e3, 11.5e-3); n++ {
			if n > 12 {
				t.Fatal("no alarm")
			}
		}
	}
}
