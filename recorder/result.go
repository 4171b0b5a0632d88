package recorder

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// DropReason says why a sample is not in a recording.
type DropReason string

// The reasons that the feed and the recorders of this module give. A recorder may
// have others of its own.
const (
	DropQueueFull   DropReason = "queue full"        // the recorder is slower than the source
	DropBeforeStart DropReason = "before start"      // captured before time zero
	DropRejected    DropReason = "rejected"          // impossible format, wrong length, wrong kind
	DropLate        DropReason = "late"              // behind what has been written already
	DropTrackEnded  DropReason = "track ended"       // after the track's end or the recording's stop
	DropPaused      DropReason = "paused"            // captured while the recording was paused
	DropNoKeyframe  DropReason = "no keyframe yet"   // encoded pictures before the first that decoding can begin with
	DropAfterLoss   DropReason = "after loss"        // encoded pictures that need what was lost on the way
	DropSurplus     DropReason = "clock drift"       // encoded audio left out because its source runs fast
	DropUndecodable DropReason = "cannot be decoded" // encoded media that is damaged, or that there is no decoder for
	DropPipeline    DropReason = "pipeline too slow" // live pictures that came faster than a channel's pipeline works
	DropTooLate     DropReason = "track not in file" // the container could not take the track any more
	DropWriteError  DropReason = "write error"       // encoder or file failed
	DropFailed      DropReason = "recorder failed"   // the recorder was cut off, or cannot say what it kept
	DropNotWanted   DropReason = "not recorded"      // of a direction that the recorder was told to leave out; nothing is amiss
	DropUnaccounted DropReason = "unaccounted"       // taken by a recorder whose result does not know of it
)

// Result tells what became of a recording.
type Result struct {
	// Binding is the name of the binding, Recorder that of the recorder.
	Binding  string `json:"binding"`
	Recorder string `json:"recorder"`
	// ID is the recording's.
	ID string `json:"id"`
	// Path is the finished file, empty if there is none; Format its container.
	Path   string `json:"path,omitempty"`
	Format string `json:"format,omitempty"`
	// Parts are the finished files in their order; Path is the first of them.
	Parts []Part `json:"parts,omitempty"`
	// Started is the wall-clock time at which the recording was started.
	Started time.Time `json:"started"`
	// Duration is that of the media: the end of the last sample of any track.
	Duration time.Duration `json:"-"`
	// Size is that of all files, in bytes.
	Size int64 `json:"size"`
	// Tracks are all tracks that were ever added, in the order they came,
	// those who left included.
	Tracks []TrackResult `json:"tracks"`
	// Pauses are what was left out on request, in order; see [Pauser].
	Pauses []Pause `json:"pauses,omitempty"`
	// Err says why the recording is not whole, nil if it is.
	Err error `json:"-"`
}

// A Part is one file of a recording; see [Rotate].
type Part struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Start is where the file's time zero is on the recording's timeline;
	// Duration is to the end of its last sample.
	Start    time.Duration `json:"-"`
	Duration time.Duration `json:"-"`
}

// MarshalJSON writes times in seconds.
func (p Part) MarshalJSON() ([]byte, error) {
	type plain Part
	return json.Marshal(struct {
		plain
		Start    float64 `json:"start"`
		Duration float64 `json:"duration"`
	}{plain(p), p.Start.Seconds(), p.Duration.Seconds()})
}

// TrackResult tells what became of one track.
//
// Two count, and each sample is counted by one of them. The [Feed] counts what
// it was offered (SamplesIn), what it dropped before the recorder saw it, and
// each sample for which WriteSample returned an error. The recorder counts
// what it wrote, and what it dropped after WriteSample had returned nil; a
// sample that it returned an error for it counts nowhere. So in the merged
// result SamplesIn is the feed's, SamplesWritten the recorder's, and Dropped
// the sum of both. A recorder that does not list a track in its result is taken at
// its word: what it returned nil for is written.
type TrackResult struct {
	Track
	// Codec is the codec in the file as FFmpeg names it, such as h264; Format
	// is its size or its rate and channels in words.
	Codec  string `json:"codec,omitempty"`
	Format string `json:"format,omitempty"`
	// First and Last bound the track's media on the file's timeline: the start
	// of the first sample and the end of the last.
	First time.Duration `json:"-"`
	Last  time.Duration `json:"-"`
	// SamplesIn were handed to the recording by the source. In a final result
	// each of them is either among SamplesWritten or counted in Dropped.
	SamplesIn      int64                `json:"samples_in"`
	SamplesWritten int64                `json:"samples_written"`
	Dropped        map[DropReason]int64 `json:"dropped,omitempty"`
	// LostOnTheWay are the pieces, such as network packets, that the source of
	// encoded samples has missed and so never delivered; they are not among
	// SamplesIn, and the feed counts them. KeyframeRequests is how often the source was asked for a
	// keyframe.
	LostOnTheWay     int64 `json:"lost_on_the_way,omitempty"`
	KeyframeRequests int64 `json:"keyframe_requests,omitempty"`
	// SamplesQueued and BytesQueued wait for the recorder; zero in a final
	// result. WriteTime is the real time that the recorder has spent over the
	// track's samples: decoding, encoding and waiting for the file.
	SamplesQueued int64         `json:"samples_queued,omitempty"`
	BytesQueued   int64         `json:"bytes_queued,omitempty"`
	WriteTime     time.Duration `json:"-"`
	// Bytes is the encoded media of the track in the file.
	Bytes int64 `json:"bytes"`
	// RatePPM is how much faster than nominal the source of an audio track runs
	// against the capture clock, in millionths; negative is slower. Audio whose
	// stamps jitter needs some ten seconds until it is known.
	RatePPM float64 `json:"rate_ppm,omitempty"`
	// LargestCorrection is the most that audio was away from its capture time
	// when resampling began to take it back there; zero if none was needed.
	LargestCorrection time.Duration `json:"-"`
	// Gaps are the first 1000 silences that were put where the source of an
	// audio track delivered nothing, in order. GapCount is the number of all of
	// them, GapTotal how long they are together. The silence of a pause that is
	// held is one of them.
	Gaps     []Gap         `json:"gaps,omitempty"`
	GapCount int64         `json:"gap_count,omitempty"`
	GapTotal time.Duration `json:"-"`
	// Err is the first error of the track, nil if there was none.
	Err error `json:"-"`
}

// A Gap is a silence that a recorder put where a source delivered nothing.
type Gap struct {
	Start  time.Duration // on the file's timeline
	Length time.Duration
}

// MarshalJSON writes times in seconds.
func (g Gap) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Start  float64 `json:"start"`
		Length float64 `json:"length"`
	}{g.Start.Seconds(), g.Length.Seconds()})
}

// Drop counts n samples as lost for the given reason.
func (t *TrackResult) Drop(reason DropReason, n int64) {
	if n == 0 {
		return
	}
	if t.Dropped == nil {
		t.Dropped = map[DropReason]int64{}
	}
	t.Dropped[reason] += n
}

// Losses returns the number of dropped samples, whatever the reason.
func (t TrackResult) Losses() int64 {
	var n int64
	for v := range maps.Values(t.Dropped) {
		n += v
	}
	return n
}

// Clone returns a copy that shares no map or slice.
func (r Result) Clone() Result {
	tracks := make([]TrackResult, len(r.Tracks))
	for i, t := range r.Tracks {
		t.Dropped = maps.Clone(t.Dropped)
		t.Gaps = slices.Clone(t.Gaps)
		tracks[i] = t
	}
	r.Tracks = tracks
	r.Parts = slices.Clone(r.Parts)
	r.Pauses = slices.Clone(r.Pauses)
	return r
}

// MarshalJSON writes durations in seconds and errors as texts.
func (r Result) MarshalJSON() ([]byte, error) {
	type plain Result
	return json.Marshal(struct {
		plain
		Duration float64 `json:"duration"`
		Error    string  `json:"error,omitempty"`
	}{plain(r), r.Duration.Seconds(), errorText(r.Err)})
}

// MarshalJSON writes times in seconds and errors as texts.
func (t TrackResult) MarshalJSON() ([]byte, error) {
	type plain TrackResult
	return json.Marshal(struct {
		plain
		First             float64 `json:"first"`
		Last              float64 `json:"last"`
		LargestCorrection float64 `json:"largest_correction,omitempty"`
		GapTotal          float64 `json:"gap_total,omitempty"`
		WriteTime         float64 `json:"write_time,omitempty"`
		Error             string  `json:"error,omitempty"`
	}{plain(t), t.First.Seconds(), t.Last.Seconds(), t.LargestCorrection.Seconds(), t.GapTotal.Seconds(), t.WriteTime.Seconds(), errorText(t.Err)})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
