package mp4_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// A plan says what is given to a writer, and so what its file has to hold.
type plan struct {
	options mp4.Options
	tracks  []plannedTrack
	steps   []plannedStep // in the order of writing
}

type plannedTrack struct {
	config  mp4.TrackConfig
	samples []mp4.Sample
	// codecs are those that the track changes to, by the first sample of each.
	codecs map[int]mp4.Codec
}

type plannedStep struct {
	track, sample int
	due           time.Duration
	flush         bool // after it
}

// planner makes plans at random. Payloads are of codecs whose samples are
// stored as they come.
type planner struct {
	rng           *rand.Rand
	small, large  clip.Clip // of VP8
	sounds        []clip.Clip
	first, second mp4.Codec
}

func newPlanner(t *testing.T) *planner {
	p := &planner{
		small:  clip.Encode(t, "vp8", clip.Options{Seconds: 2}),
		large:  clip.Encode(t, "vp8", clip.Options{Seconds: 2, Width: 96, Height: 64}),
		sounds: []clip.Clip{clip.Encode(t, "aac", clip.Options{}), clip.Encode(t, "opus", clip.Options{})},
	}
	p.first, p.second = codecOf(t, p.small), codecOf(t, p.large)
	return p
}

func (p *planner) plan(t *testing.T, seed uint64) plan {
	p.rng = rand.New(rand.NewPCG(seed, 0))
	out := plan{options: mp4.Options{
		Fragment:     time.Duration(20+p.rng.IntN(800)) * time.Millisecond,
		SlotBytes:    []int{4096, 16384}[p.rng.IntN(2)],
		FastStart:    []int64{0, 0, 3000, 100_000}[p.rng.IntN(4)],
		SyncInterval: eachFragment,
		QuickTime:    p.rng.IntN(4) == 0,
	}}
	for n := range 1 + p.rng.IntN(5) {
		start := time.Duration(p.rng.IntN(3000)) * time.Millisecond
		if n == 0 {
			start = 0
		}
		tr := p.video(start)
		if p.rng.IntN(2) == 0 {
			tr = p.audio(t, start)
		}
		tr.config.Name = fmt.Sprint("track ", n)
		// Everybody's samples come late by a delay of their own.
		delay := time.Duration(p.rng.IntN(300)) * time.Millisecond
		for i, s := range tr.samples {
			due := delay + time.Duration(s.DTS)*time.Second/time.Duration(tr.config.Timescale)
			out.steps = append(out.steps, plannedStep{track: n, sample: i, due: due, flush: p.rng.IntN(40) == 0})
		}
		out.tracks = append(out.tracks, tr)
	}
	slices.SortStableFunc(out.steps, func(a, b plannedStep) int { return cmp.Compare(a.due, b.due) })
	return out
}

// video has irregular durations, pauses, B-frames, and a change of size.
func (p *planner) video(start time.Duration) plannedTrack {
	tr := plannedTrack{config: mp4.TrackConfig{Codec: p.first, Timescale: 90000}, codecs: map[int]mp4.Codec{}}
	count := 1 + p.rng.IntN(len(p.small.Samples))
	change := -1
	if p.rng.IntN(3) == 0 && count > 10 {
		change = 10 // where the other clip has a keyframe too
	}
	dts := int64(start.Seconds() * 90000)
	group := p.rng.IntN(4) // B-frames between two others
	for i := range count {
		from := p.small.Samples
		if change >= 0 && i >= change {
			from = p.large.Samples
		}
		s := mp4.Sample{DTS: dts, PTS: dts, Duration: 1 + p.rng.Int64N(9000), Sync: from[i].Sync, Data: from[i].Data}
		dts += s.Duration
		if p.rng.IntN(20) == 0 { // a pause that only the next sample tells of
			dts += p.rng.Int64N(90000)
		}
		tr.samples = append(tr.samples, s)
	}
	if change >= 0 {
		tr.codecs[change] = p.second
	}
	p.reorder(tr.samples, group)
	return tr
}

// reorder gives groups of pictures the presentation times of a P-frame that is
// decoded before the B-frames it follows in time.
func (p *planner) reorder(samples []mp4.Sample, group int) {
	for i := 0; group > 0 && i+group < len(samples); i += group + 1 {
		last := samples[i+group].DTS
		for j := i + group; j > i; j-- {
			samples[j].PTS = samples[j-1].DTS
		}
		samples[i].PTS = last
	}
	if group > 0 { // presented after decoding, all later by one longest step
		shift := int64(0)
		for _, s := range samples {
			shift = max(shift, s.DTS-s.PTS)
		}
		for i := range samples {
			samples[i].PTS += shift
		}
	}
}

// audio has priming where it begins with the file, and gaps.
func (p *planner) audio(t *testing.T, start time.Duration) plannedTrack {
	c := p.sounds[p.rng.IntN(len(p.sounds))]
	tr := plannedTrack{config: mp4.TrackConfig{Codec: codecOf(t, c), Timescale: c.Timescale, Priming: c.Priming}}
	dts := int64(start.Seconds()*float64(c.Timescale)) - c.Priming
	for _, s := range c.Samples[:1+p.rng.IntN(len(c.Samples))] {
		tr.samples = append(tr.samples, mp4.Sample{DTS: dts, PTS: dts, Duration: s.Duration, Sync: true, Data: s.Data})
		dts += s.Duration
		if p.rng.IntN(50) == 0 {
			dts += p.rng.Int64N(20_000)
		}
	}
	return tr
}

// play writes the plan, and returns the file as it was before Close and after.
func (p plan) play(t *testing.T) (before, after []byte, ids []uint32) {
	t.Helper()
	d := trouble.NewDisk(nil)
	l := newLedger(d)
	p.options.Written = l.written
	w, err := mp4.NewWriter(d, p.options)
	if err != nil {
		t.Fatal(err)
	}
	tracks := make([]*mp4.Track, len(p.tracks))
	ids = make([]uint32, len(p.tracks))
	for _, st := range p.steps {
		tr := &p.tracks[st.track]
		if tracks[st.track] == nil {
			if tracks[st.track], err = w.AddTrack(tr.config); err != nil {
				t.Fatal(err)
			}
			ids[st.track] = 1 + slices.Max(ids)
		}
		if c := tr.codecs[st.sample]; c != nil {
			if err := tracks[st.track].SetCodec(c); err != nil {
				t.Fatal(err)
			}
		}
		if err := tracks[st.track].Write(t.Context(), tr.samples[st.sample]); err != nil {
			t.Fatal(err)
		}
		if st.flush {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	l.await(len(p.steps))
	before = d.Bytes()
	if err := w.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return before, d.Bytes(), ids
}

// Whatever is given to a writer, at whatever times: its file says exactly that,
// to the tick and the byte, to readers that know nothing of it, and says it
// before it is finished as well.
func TestPlans(t *testing.T) {
	planner := newPlanner(t)
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := planner.plan(t, seed)
			before, after, ids := p.play(t)
			finished, unfinished := judge.ListSamples(after), judge.ListSamples(before)
			for _, f := range []judge.Tables{finished, unfinished} {
				if len(f.Warnings) > 0 {
					t.Errorf("of %d fragments: %q", f.Fragments, f.Warnings)
				}
			}
			judge.SameTables(t, finished.FromZero(), unfinished.Lasting().FromZero())
			for n, tr := range p.tracks {
				tr.compareTable(t, finished.Track(t, ids[n]), after)
			}
			p.comparePackets(t, "finished", after, ids)
			p.comparePackets(t, "unfinished", before, ids)
			if seed%10 == 0 {
				judge.SameTables(t, finished, judge.MP4Box(t, scratch(t, after)))
			}
		})
	}
}

// compareTable checks the samples of the finished file.
func (tr plannedTrack) compareTable(t *testing.T, got judge.Table, file []byte) {
	t.Helper()
	if len(got.Samples) != len(tr.samples) {
		t.Errorf("%s: %d samples, want %d", tr.config.Name, len(got.Samples), len(tr.samples))
		return
	}
	description := 1
	for i, s := range tr.samples {
		if tr.codecs[i] != nil && i > 0 {
			description++
		}
		want := judge.Sample{
			DTS: s.DTS - tr.samples[0].DTS, CTS: s.PTS - tr.samples[0].DTS, Duration: s.Duration,
			Size: int64(len(s.Data)), Sync: s.Sync, Offset: got.Samples[i].Offset, Description: description,
		}
		if i+1 < len(tr.samples) {
			want.Duration = tr.samples[i+1].DTS - s.DTS
		}
		if got.Samples[i] != want {
			t.Errorf("%s: sample %d is %+v, want %+v", tr.config.Name, i, got.Samples[i], want)
			return
		}
		if at := want.Offset; string(file[at:at+want.Size]) != string(s.Data) {
			t.Errorf("%s: sample %d at %d has other data", tr.config.Name, i, at)
			return
		}
	}
}

// comparePackets checks what libavformat says of the timeline.
func (p plan) comparePackets(t *testing.T, what string, file []byte, ids []uint32) {
	t.Helper()
	r, err := read(t, scratch(t, file), false)
	if err != nil || r.err != nil {
		t.Errorf("%s: %v, %v", what, err, r.err)
		return
	}
	for n, tr := range p.tracks {
		stream := int(ids[n]) - 1
		if stream >= len(r.packets) || len(r.packets[stream]) != len(tr.samples) {
			t.Errorf("%s: %s: %d streams, want %d packets", what, tr.config.Name, len(r.packets), len(tr.samples))
			continue
		}
		for i, s := range tr.samples {
			if got := r.packets[stream][i]; got != (packet{s.PTS, len(s.Data), s.Sync}) {
				t.Errorf("%s: %s: packet %d of %d is %+v, want PTS %d, %d bytes, key %v", what, tr.config.Name, i, len(tr.samples), got, s.PTS, len(s.Data), s.Sync)
				break
			}
		}
	}
}

// Tracks for which no slot has room do not make the file unreadable.
func TestFullSlots(t *testing.T) {
	parts := []part{{clip: clip.Encode(t, "vp8", clip.Options{Seconds: 1}), name: "first"}}
	for i := range 2 {
		parts = append(parts, part{clip: clip.Encode(t, "vp8", clip.Options{Seconds: 0.5}), name: "late", start: time.Duration(i+1) * 250 * time.Millisecond})
	}
	u := recordUnfinished(t, mp4.Options{Fragment: 100 * time.Millisecond, SlotBytes: 1024}, parts)
	r, err := read(t, scratch(t, u.data), true)
	if err != nil || r.err != nil || len(r.packets[0]) != len(parts[0].clip.Samples) {
		t.Errorf("%v %v", err, r.err)
	}
}
