package bitstream_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
)

// pyramid returns the numbers of pictures in the order of decoding, in groups
// whose B pictures refer to those around them: depth 1 is I P b, depth 2 has
// three B pictures in a group, depth 3 seven, depth 4 fifteen.
func pyramid(depth, groups int) (order []int64) {
	order = append(order, 0)
	var between func(low, high int64)
	between = func(low, high int64) {
		if middle := (low + high) / 2; middle > low {
			order = append(order, middle)
			between(low, middle)
			between(middle, high)
		}
	}
	size := int64(1) << depth
	for g := range int64(groups) {
		order = append(order, (g+1)*size)
		between(g*size, (g+1)*size)
	}
	return order
}

func TestReorderPyramids(t *testing.T) {
	const interval = 3000
	for depth := range 5 {
		known, unknown := bitstream.NewReorder(depth, interval), bitstream.NewReorder(0, interval)
		late, last := 0, int64(0)
		for k, n := range pyramid(depth, 10) {
			// FFmpeg's encoders give the kth picture the PTS of the one that is
			// shown depth pictures earlier than the kth.
			if got, want := known.Next(n*interval), int64(k-depth)*interval; got != want {
				t.Fatalf("depth %d, picture %d: DTS %d, want %d", depth, k, got, want)
			}
			got := unknown.Next(n * interval)
			if k > 0 && got <= last {
				t.Errorf("depth %d not known, picture %d: DTS %d after %d", depth, k, got, last)
			}
			last = got
			if got > n*interval {
				late++
			}
			if k > 3<<depth && got != int64(k-depth)*interval {
				t.Errorf("depth %d not known, picture %d: DTS %d, want %d", depth, k, got, int64(k-depth)*interval)
			}
		}
		if unknown.Depth() != depth || late >= 1<<depth {
			t.Errorf("depth %d: found %d, %d pictures decoded too late", depth, unknown.Depth(), late)
		}
	}
}

// Whatever is lost, and at whatever distance pictures were taken: DTS rise and
// are never above the PTS.
func TestReorderWithLosses(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for depth := range 5 {
		var times []int64
		at := int64(1000)
		for range 400 << depth {
			times = append(times, at)
			at += 1 + random.Int64N(9000)
		}
		r := bitstream.NewReorder(depth, 3000)
		last := int64(-1 << 40)
		for k, n := range pyramid(depth, 300) {
			if k > 0 && random.IntN(5) == 0 {
				continue
			}
			dts := r.Next(times[n])
			if dts <= last || dts > times[n] {
				t.Fatalf("depth %d, picture %d: DTS %d of PTS %d after %d", depth, k, dts, times[n], last)
			}
			last = dts
		}
		if r.Depth() != depth {
			t.Errorf("depth %d became %d", depth, r.Depth())
		}
	}
}

func TestReorderByHand(t *testing.T) {
	tests := []struct {
		name  string
		depth int
		pts   []int64
		want  []int64
	}{
		{"none", 0, []int64{5, 6, 10}, []int64{5, 6, 10}},
		{"one", 1, []int64{0, 20, 10, 40, 30}, []int64{-10, 0, 10, 20, 30}},
		{"negative is 0", -1, []int64{5, 6}, []int64{5, 6}},
		{"not known", 0, []int64{0, 40, 10, 20, 30, 80, 50, 60}, []int64{0, 40, 41, 42, 43, 44, 50, 60}},
		{"equal times", 0, []int64{7, 7, 7, 9}, []int64{7, 8, 9, 10}},
		{"leading pictures", 1, []int64{40, 10, 20, 30, 80, 50}, []int64{30, 31, 32, 33, 40, 50}},
	}
	for _, tt := range tests {
		r := bitstream.NewReorder(tt.depth, 10)
		var got []int64
		for _, pts := range tt.pts {
			got = append(got, r.Next(pts))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestReorderSetDepth(t *testing.T) {
	r := bitstream.NewReorder(2, 10)
	var got []int64
	for i, pts := range []int64{0, 10, 20, 30, 40, 50, 60} {
		if i == 4 {
			r.SetDepth(0)
		}
		if i == 5 {
			r.SetDepth(1)
		}
		got = append(got, r.Next(pts))
	}
	if want := []int64{-20, -10, 0, 10, 40, 41, 50}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r.SetDepth(99); r.Depth() != 16 {
		t.Errorf("depth %d", r.Depth())
	}
}

func FuzzReorder(f *testing.F) {
	f.Add(2, []byte{0, 40, 10, 20, 30, 80, 50, 60})
	f.Fuzz(func(t *testing.T, depth int, steps []byte) {
		r := bitstream.NewReorder(depth, 10)
		// The depth that the stream needs.
		needed, lowest, distinct := 0, int64(1), true
		var all []int64
		at := int64(0)
		for _, s := range steps {
			at += int64(int8(s))
			n := 0
			for _, earlier := range all {
				if earlier > at {
					n++
				}
				distinct = distinct && earlier != at
			}
			needed = max(needed, n)
			lowest = min(lowest, at)
			all = append(all, at)
		}
		last := int64(-1 << 40)
		for i, pts := range all {
			dts := r.Next(pts)
			if dts <= last {
				t.Fatalf("picture %d of %v: DTS %d after %d", i, all, dts, last)
			}
			if distinct && needed <= min(depth, 16) && all[0] <= lowest && dts > pts {
				t.Fatalf("picture %d of %v, depth %d: DTS %d", i, all, depth, dts)
			}
			if r.Depth() < 0 || r.Depth() > 16 {
				t.Fatalf("depth %d", r.Depth())
			}
			last = dts
		}
	})
}
