package mp4

import (
	"math"
	"time"
)

// TrackInfo is what a file says of a track, and what was found of it.
type TrackInfo struct {
	ID uint32
	// Kind is "video", "audio", "text" or "other".
	Kind string
	// Codec is the four-character type of the first sample entry; CodecName is
	// what people call it, with the profile where it is known.
	Codec, CodecName string
	Width, Height    int     // video, in pixels
	Rate             float64 // audio, samples per second
	Channels         int     // audio
	// Timescale is the number of ticks per second of the media's times.
	Timescale uint32
	Name      string
	// Language is a three-letter ISO 639-2/T code, "und" if undetermined.
	Language string
	// Disabled tracks are not played unless chosen; players choose one track
	// of each alternate group other than 0.
	Disabled bool
	Group    uint16
	Edits    []Edit
	// Entries are the sample entries, whole boxes.
	Entries [][]byte

	SampleCount int64
	// Bytes is the size of all samples.
	Bytes int64
	// MediaDuration is that of all samples, with gaps between them.
	MediaDuration time.Duration
	// Start and End are when the track's first sample begins to be presented
	// and its last one ends, on the movie's timeline.
	Start, End time.Duration
	// Gaps are the places where samples are missing, by the look of it.
	Gaps []Gap

	movie    *Movie
	place    box // trak
	parts    trakParts
	defaults trackDefaults // trex

	// The tables of stbl.
	durations, offsets, chunkRuns, sizes, chunks, syncs fileTable
	fixedSize                                           uint32
	fixedCount                                          int64 // samples of fixedSize
	chapters                                            []uint32
	indexEnd                                            int64 // decode time behind the samples of the index
	chapterTrack                                        bool
}

// trakParts says where the pieces of a trak are that Repair copies.
type trakParts struct {
	mdia, minf, stbl, stsd box
}

// An Edit maps a stretch of the movie's timeline to the media.
type Edit struct {
	// Duration is in ticks of the movie; 0 in a fragmented file: to the end.
	Duration int64
	// MediaTime is in ticks of the track; -1: nothing is presented.
	MediaTime int64
	// Rate is 1 for ordinary speed, 0 for a still.
	Rate float64
}

// A Gap is a place where a sample is followed later than it should be.
type Gap struct {
	// Start is where the gap begins on the track's own timeline (its decode
	// times, edits disregarded), Length how long nothing comes.
	Start, Length time.Duration
}

// ticksToTime converts ticks; what no time.Duration can hold becomes the
// largest one.
func ticksToTime(ticks int64, scale uint32) time.Duration {
	if scale == 0 {
		return 0
	}
	n := int64(scale)
	whole := ticks / n
	if whole >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	if whole <= -math.MaxInt64/int64(time.Second) {
		return -math.MaxInt64
	}
	part := ticks % n
	return time.Duration(whole)*time.Second + time.Duration((part*int64(time.Second)+sign(part)*n/2)/n)
}

func sign(v int64) int64 {
	if v < 0 {
		return -1
	}
	return 1
}

// isVideo and isAudio go by the handler.
func (t *TrackInfo) isVideo() bool { return t.Kind == "video" }
func (t *TrackInfo) isAudio() bool { return t.Kind == "audio" }

// spans returns where the media between two of its times lies on the movie's
// timeline: each edit that shows any of it moves it.
func (t *TrackInfo) spans(from, to int64) (start, end time.Duration) {
	if len(t.Edits) == 0 {
		return ticksToTime(from, t.Timescale), ticksToTime(to, t.Timescale)
	}
	var at time.Duration
	found := false
	for _, e := range t.Edits {
		length := ticksToTime(e.Duration, t.movie.Timescale)
		if e.MediaTime >= 0 {
			a, b := ticksToTime(max(from, e.MediaTime)-e.MediaTime, t.Timescale), ticksToTime(to-e.MediaTime, t.Timescale)
			if e.Duration > 0 {
				b = min(b, length)
			}
			if b >= a {
				if !found {
					start, found = at+a, true
				}
				end = at + b
			}
		}
		at += length
	}
	return start, end
}
