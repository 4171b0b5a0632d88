package media

import (
	"fmt"
	"sync"
	"time"
)

// Keyness says whether decoding can begin with a sample.
type Keyness uint8

// What a source may know of that.
const (
	KeyUnknown Keyness = iota // it is found from the bitstream
	KeyFrame
	DeltaFrame
)

// UnknownLead says that a source cannot tell when a picture is to be decoded.
const UnknownLead time.Duration = -1

// Encoded is one piece of an encoded stream: an access unit of H.264 or HEVC or
// a part of one, a frame of VP8 or VP9, a temporal unit of AV1, a packet of
// Opus, frames of AAC, bytes of G.711 or G.722.
//
// Samples of a track come in the order of decoding. Of H.264 and HEVC those
// that follow each other with the same time are one access unit: NAL units may
// come singly, parameter sets and all.
type Encoded struct {
	// Format is shared by the samples of a stream and read only. A change of
	// it in mid-stream is a new one.
	Format *EncodedFormat
	Data   []byte
	// Lead is how much earlier than it is shown the picture is to be decoded,
	// PTS less DTS. Zero without reordering; [UnknownLead] where the source
	// cannot tell, as over RTP, and then it is worked out from the stream.
	Lead time.Duration
	// Duration is how long the sample lasts, 0 where that is not known.
	Duration time.Duration
	// Key may save the search in the bitstream.
	Key Keyness
	// Whole says that this is all of an access unit: the next sample need not
	// be awaited to know that.
	Whole bool
	// Lost is how many pieces, such as network packets, are known to be missing
	// between the sample before and this one: lost on the way, not left out by
	// the encoder.
	Lost int

	refs  refs
	pool  *EncodedPool
	owner Owner
	buf   []byte
}

// An Owner gets data back that it has lent.
type Owner interface {
	// Free is called once, when the last reference to the data is gone, from
	// any goroutine.
	Free()
}

// LendEncoded returns a sample's payload with one reference, whose data is not
// copied: it belongs to owner, whose Free is called when the last reference is
// gone. It comes from the pool, and its fields but for Format and Data are zero.
func (pool *EncodedPool) LendEncoded(f *EncodedFormat, data []byte, owner Owner) *Encoded {
	e := pool.take(f)
	e.Data, e.owner = data, owner
	return e
}

// Validate checks the format, and that there is data. Errors wrap [ErrFormat]
// or [ErrLength].
func (e *Encoded) Validate() error {
	if e.Format == nil {
		return fmt.Errorf("%w: encoded sample without one", ErrFormat)
	}
	if err := e.Format.Validate(); err != nil {
		return err
	}
	switch {
	case len(e.Data) == 0 || len(e.Data) > maxEncoded:
		return fmt.Errorf("%w: %d bytes of %s (allowed: 1 to %d)", ErrLength, len(e.Data), e.Format.Codec, maxEncoded)
	case e.Key > DeltaFrame:
		return fmt.Errorf("%w: keyness %d", ErrFormat, e.Key)
	case e.Lead < UnknownLead || e.Lead > maxLead:
		return fmt.Errorf("%w: lead of %v (allowed: 0 to %v, or UnknownLead)", ErrFormat, e.Lead, maxLead)
	case e.Lost < 0:
		return fmt.Errorf("%w: %d pieces lost", ErrFormat, e.Lost)
	case e.Duration < 0 || e.Duration > maxLead:
		return fmt.Errorf("%w: duration of %v (allowed: 0 to %v)", ErrFormat, e.Duration, maxLead)
	}
	return nil
}

const (
	// maxEncoded is what a sample of an MP4 written by package mp4 may have.
	maxEncoded = 1 << 28
	maxLead    = time.Hour
)

// Retain adds a reference.
func (e *Encoded) Retain() { e.refs.retain() }

// Release gives a reference back; with the last one the data goes back to its
// owner and a pooled payload to its pool.
func (e *Encoded) Release() {
	if !e.refs.release() {
		return
	}
	if e.owner != nil {
		e.owner.Free()
		e.owner, e.Data = nil, nil
	}
	if e.pool != nil {
		e.pool.free.Put(e)
	}
}

// EncodedPool recycles payloads. The zero value is ready; it is safe for
// concurrent use.
type EncodedPool struct{ free sync.Pool }

// Get returns a payload of so many bytes, with one reference. Its data is not
// cleared; its fields but for Format and Data are zero.
func (pool *EncodedPool) Get(f *EncodedFormat, bytes int) *Encoded {
	e := pool.take(f)
	if cap(e.buf) < bytes {
		// Samples of a stream vary in size: room to grow spares the next ones.
		e.buf = make([]byte, bytes+bytes/4)
	}
	e.Data = e.buf[:bytes]
	return e
}

func (pool *EncodedPool) take(f *EncodedFormat) *Encoded {
	e, _ := pool.free.Get().(*Encoded)
	if e == nil {
		e = &Encoded{pool: pool}
	}
	e.refs.reset()
	e.Format, e.Lead, e.Duration, e.Key, e.Whole, e.Lost = f, 0, 0, KeyUnknown, false, 0
	return e
}
