package mp4

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPackedKeepsEveryNumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var p packed
	var want []uint64
	for range 100_000 {
		v := r.Uint64() >> r.UintN(64)
		want = append(want, v)
		p.append(v)
	}
	if got := slices.Collect(p.values()); !slices.Equal(got, want) {
		t.Error("not what was put in")
	}
	for v := range p.values() { // a loop that ends early
		_ = v
		break
	}
}

func TestZigzag(t *testing.T) {
	for v, want := range map[int64]uint64{0: 0, -1: 1, 1: 2, -2: 3, math.MaxInt64: math.MaxUint64 - 1, math.MinInt64: math.MaxUint64} {
		if z := zigzag(v); z != want || unzigzag(z) != v {
			t.Errorf("%d: %d and back %d", v, z, unzigzag(z))
		}
	}
}

func TestRuns(t *testing.T) {
	var r runs
	type run struct {
		n uint64
		v int64
	}
	collect := func(r *runs) (all []run) {
		for n, v := range r.each() {
			all = append(all, run{n, v})
		}
		return all
	}
	for _, x := range []run{{2, 5}, {1, 5}, {0, 9}, {1, -3}, {4, 1 << 40}, {1, 5}} {
		r.append(x.v, x.n)
	}
	want := []run{{3, 5}, {1, -3}, {4, 1 << 40}, {1, 5}}
	if got := collect(&r); !slices.Equal(got, want) || r.n != len(want) {
		t.Errorf("got %v (%d), want %v", got, r.n, want)
	}
	if got := collect(r.with(7)); !slices.Equal(got, append(slices.Clone(want), run{1, 7})) {
		t.Errorf("with one more: %v", got)
	}
	if got := collect(r.with(5)); !slices.Equal(got[3:], []run{{2, 5}}) {
		t.Errorf("with one more of the last: %v", got)
	}
	r.append(8, 1)
	if got := collect(&r); !slices.Equal(got, append(want, run{1, 8})) {
		t.Errorf("after with: %v", got)
	}
	if got := collect(new(runs)); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}
