package mp4

import (
	"maps"
	"slices"
	"time"
)

// measure goes through all samples once, for what can be told only then:
// numbers, durations, gaps, what lies outside the file.
func (m *Movie) measure() error {
	meters := map[*TrackInfo]*meter{}
	for _, t := range m.Tracks {
		meters[t] = &meter{track: t}
		t.indexed(func(s SampleInfo, err error) bool {
			if err != nil {
				m.tablesBroken = true
				m.trouble(t.place.off, "%v", err)
				return false
			}
			meters[t].add(s)
			return true
		})
		t.indexEnd = meters[t].end
	}
	m.measureFragments(meters)
	for _, t := range m.Tracks {
		meters[t].finish()
		m.Duration = max(m.Duration, t.End)
	}
	m.findChapters()
	if m.src.failed != nil {
		return m.src.failed
	}
	return nil
}

func (m *Movie) measureFragments(meters map[*TrackInfo]*meter) {
	var last *Fragment
	m.walkFragments(m.trouble, func(f *Fragment, t *TrackInfo, s SampleInfo) bool {
		meters[t].add(s)
		if at := ticksToTime(s.DTS, t.Timescale); f != last || at < f.Start {
			f.Start = at
		}
		last = f
		return true
	})
}

// A meter measures one track.
type meter struct {
	track       *TrackInfo
	start, stop int64 // of PTS
	begin, end  int64 // of DTS
	before      SampleInfo
	outside     int64
	outsideAt   int64
	steps       []pace
}

// A pace is how far from each other the decode times of successive samples
// are, and how long they say they last.
type pace struct {
	count, step, length int64
}

func (g *meter) add(s SampleInfo) {
	t := g.track
	if t.SampleCount == 0 {
		g.start, g.stop, g.begin = s.PTS, s.PTS, s.DTS
	} else {
		g.step(s.DTS-g.before.DTS, g.before.Duration)
	}
	t.SampleCount++
	t.Bytes += s.Size
	g.before = s
	g.start = min(g.start, s.PTS)
	g.stop = max(g.stop, s.PTS+s.Duration)
	g.end = s.DTS + s.Duration
	if s.check(t.movie.src.size) != nil {
		if g.outside == 0 {
			g.outsideAt = s.Offset
		}
		g.outside++
	}
}

func (g *meter) step(step, length int64) {
	if n := len(g.steps); n > 0 && g.steps[n-1].step == step && g.steps[n-1].length == length {
		g.steps[n-1].count++
		return
	}
	g.steps = append(g.steps, pace{1, step, length})
}

func (g *meter) finish() {
	t := g.track
	if g.outside > 0 {
		t.movie.trouble(g.outsideAt, "%d samples of track %d lie outside the file", g.outside, t.ID)
	}
	if t.SampleCount == 0 {
		return
	}
	t.MediaDuration = ticksToTime(g.end-g.begin, t.Timescale)
	t.Start, t.End = t.spans(g.start, g.stop)
	t.Gaps = g.gaps()
}

const (
	maxGaps      = 1000
	videoGapTime = 200 * time.Millisecond
	// Where times were rounded to another timescale, audio that is whole steps
	// by a tick more or less.
	audioSlack = time.Millisecond
)

// gaps finds the places where samples are missing: in video where a picture
// stands for more than 200 ms and thrice the median, in audio where a packet
// is followed later than it lasts, or it lasts unusually long.
func (g *meter) gaps() (found []Gap) {
	t := g.track
	if !t.isAudio() && !t.isVideo() {
		return nil
	}
	median, usual := g.usual()
	at := g.begin
	for _, p := range g.steps {
		length, gap := median, false
		if t.isVideo() {
			gap = p.step > 3*median && ticksToTime(p.step, t.Timescale) > videoGapTime
		} else {
			slack := max(1, int64(t.Timescale)*int64(audioSlack)/int64(time.Second))
			gap = p.step > median+slack && !usual[p.step]
			if p.step > p.length+slack {
				gap, length = true, p.length
			}
		}
		for range p.count {
			if gap && len(found) < maxGaps {
				found = append(found, Gap{ticksToTime(at+length, t.Timescale), ticksToTime(p.step-length, t.Timescale)})
			}
			at += p.step
			if !gap {
				at += (p.count - 1) * p.step
				break
			}
		}
	}
	return found
}

// usual returns the median of the steps, and which of them make up a tenth of
// all: packets of some codecs have several lengths.
func (g *meter) usual() (median int64, usual map[int64]bool) {
	counts, total := map[int64]int64{}, int64(0)
	for _, p := range g.steps {
		counts[p.step] += p.count
		total += p.count
	}
	usual = map[int64]bool{}
	passed, found := int64(0), false
	for _, step := range slices.Sorted(maps.Keys(counts)) {
		usual[step] = counts[step] >= max(3, total/10)
		if passed += counts[step]; !found && 2*passed >= total {
			median, found = step, true
		}
	}
	return median, usual
}
