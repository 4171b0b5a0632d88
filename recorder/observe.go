package recorder

import "time"

// An Observer is told now and then how the tracks of recordings are doing: for
// metrics, such as package recorder/prom makes of it. Observe is called from
// several goroutines and should not wait: one that takes longer than a second, or
// panics, is not called again.
type Observer interface {
	Observe(o Observation)
}

// An Observation is what has become of one track since the observation before.
type Observation struct {
	// Room, Recording and ID say which recording it is, Recorder which
	// implementation; Codec is that in the file, as far as it is known.
	Room, Recording, ID, Recorder string
	Track                         Track
	Codec                         string
	// Last says that the track has ended in this recording; who returns begins
	// anew.
	Last bool

	// What has come since the observation before; see [TrackResult].
	SamplesIn, SamplesWritten      int64
	LostOnTheWay, KeyframeRequests int64
	Bytes                          int64
	Dropped                        map[DropReason]int64
	WriteTime                      time.Duration

	// What is now.
	SamplesQueued, BytesQueued int64
	RatePPM                    float64
	LargestCorrection          time.Duration
}

// Observe makes an observation of two results of a track, of which before may be
// the zero value. The caller fills in which recording it is.
func Observe(before, now TrackResult) Observation {
	o := Observation{
		Track: now.Track, Codec: now.Codec,
		SamplesIn: now.SamplesIn - before.SamplesIn, SamplesWritten: now.SamplesWritten - before.SamplesWritten,
		LostOnTheWay: now.LostOnTheWay - before.LostOnTheWay, KeyframeRequests: now.KeyframeRequests - before.KeyframeRequests,
		Bytes: now.Bytes - before.Bytes, WriteTime: now.WriteTime - before.WriteTime,
		SamplesQueued: now.SamplesQueued, BytesQueued: now.BytesQueued,
		RatePPM: now.RatePPM, LargestCorrection: now.LargestCorrection,
	}
	for reason, n := range now.Dropped {
		if n -= before.Dropped[reason]; n != 0 {
			if o.Dropped == nil {
				o.Dropped = map[DropReason]int64{}
			}
			o.Dropped[reason] = n
		}
	}
	return o
}

// IsEmpty reports whether nothing has come and nothing waits.
func (o Observation) IsEmpty() bool {
	return o.SamplesIn == 0 && o.SamplesWritten == 0 && o.LostOnTheWay == 0 && o.KeyframeRequests == 0 &&
		o.Bytes == 0 && len(o.Dropped) == 0 && o.SamplesQueued == 0 && o.BytesQueued == 0
}
