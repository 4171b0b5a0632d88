package recorder

import "github.com/roomkit-live/roomkit-go/media"

// The bounds of one track's queue, in samples. Bytes are bounded by
// [Binding.QueueBytes].
//
// A live source may run into the push bounds: they are what a recorder can be
// behind, a little over a minute of audio in pieces of 20 ms, and two seconds of
// pictures at 30 a second. A source that can wait is held up much earlier:
// as it is always ahead it would otherwise keep the queues full to the brim,
// at a gigabyte for eight tracks, and win nothing by it.
//
// Encoded pictures are small, and dropping one spoils those up to the next
// keyframe: their queue takes two seconds at 60 a second, each in eight NAL
// units that come singly.
const (
	pushPictures        = 64
	pushEncodedPictures = 1024
	pushAudio           = 4096
	waitPictures        = 4
	waitEncodedPictures = 64
	waitAudio           = 64
)

func pushLimit(s media.Sample) int {
	return limit(s, pushPictures, pushEncodedPictures, pushAudio)
}

func waitLimit(s media.Sample) int {
	return limit(s, waitPictures, waitEncodedPictures, waitAudio)
}

func limit(s media.Sample, pictures, encodedPictures, audio int) int {
	switch {
	case s.Picture != nil:
		return pictures
	case s.IsPicture():
		return encodedPictures
	}
	return audio
}

// ring is a queue of samples that grows as far as it was ever filled and then
// allocates no more. It owns a reference to each payload in it.
type ring struct {
	buf   []media.Sample // length is a power of two
	head  int
	n     int
	bytes int
}

func (r *ring) push(s media.Sample, size int) {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = s
	r.n++
	r.bytes += size
}

func (r *ring) grow() {
	bigger := make([]media.Sample, max(8, 2*len(r.buf)))
	for i := range r.n {
		bigger[i] = r.buf[(r.head+i)&(len(r.buf)-1)]
	}
	r.buf, r.head = bigger, 0
}

func (r *ring) pop() (media.Sample, bool) {
	if r.n == 0 {
		return media.Sample{}, false
	}
	s := r.buf[r.head]
	r.buf[r.head] = media.Sample{} // or the ring would keep the payload alive
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	r.bytes -= s.Size()
	return s, true
}

// has reports whether a sample of the given size fits below the bounds. A
// single sample always does, however large: else it could never be recorded.
func (r *ring) has(size, samples, bytes int) bool {
	return r.n == 0 || r.n < samples && r.bytes+size <= bytes
}
