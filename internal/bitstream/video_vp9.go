package bitstream

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// A vp9Stream reads VP9 (VP9 Bitstream & Decoding Process Specification 0.6).
type vp9Stream struct {
	// refs are the sizes of the frames kept: a frame need not say its own, and
	// one of a higher spatial layer does not.
	refs [8]frameSize
	size frameSize // of the last key's picture
}

type frameSize struct{ width, height int }

func (s *vp9Stream) describe([]byte) description {
	return description{ready: s.size.width > 0, width: s.size.width, height: s.size.height}
}

// read looks at a frame or at the frames of a superframe (annex B): several of
// which one is shown, such as a hidden one together with the next, or the
// spatial layers of a picture.
func (s *vp9Stream) read(data []byte) (Picture, error) {
	p := Picture{HasPicture: true, FirstSlice: true, Discardable: true, Hidden: true}
	next, seen := *s, 0
	index, frames := vp9Index(data)
	body := data[:len(data)-len(index)]
	for n := range frames {
		frame := body
		if len(index) > 0 {
			size := vp9IndexedSize(index, n)
			if size > len(body) {
				return Picture{}, fmt.Errorf("%w: frame %d of a superframe has %d bytes of %d", media.ErrLength, n, size, len(body))
			}
			frame, body = body[:size], body[size:]
		}
		if len(frame) == 0 {
			continue
		}
		seen++
		h, err := next.frame(frame)
		if err != nil {
			return Picture{}, err
		}
		p.Key = p.Key || h.key && seen == 1
		if h.shown {
			p.Hidden = false
		}
		if h.refresh != 0 {
			p.Discardable = false
		}
		if p.Key && (h.shown || seen == 1) {
			next.size = h.size
		}
	}
	if seen == 0 {
		return Picture{}, fmt.Errorf("%w: superframe of %d bytes without a frame", media.ErrFormat, len(data))
	}
	*s = next
	return p, nil
}

// vp9Index returns the superframe index, nil if there is none, and the number
// of frames.
func vp9Index(data []byte) (index []byte, frames int) {
	last := data[len(data)-1]
	if last&0xE0 != 0xC0 {
		return nil, 1
	}
	frames = int(last&7) + 1
	size := 2 + frames*(int(last>>3&3)+1)
	if size > len(data) || data[len(data)-size] != last {
		return nil, 1
	}
	return data[len(data)-size:], frames
}

// vp9IndexedSize returns the size of the nth frame.
func vp9IndexedSize(index []byte, n int) (size int) {
	bytes := int(index[0]>>3&3) + 1
	for i, b := range index[1+n*bytes:][:bytes] {
		size |= int(b) << (8 * i)
	}
	return size
}

type vp9Header struct {
	key, shown bool
	refresh    uint32 // which of refs become this frame
	size       frameSize
}

// frame reads the uncompressed header, 6.2, and keeps the frame's size.
func (s *vp9Stream) frame(data []byte) (vp9Header, error) {
	r := &bitReader{data: data}
	marker := r.bits(2)
	profile := r.bits(1) | r.bits(1)<<1
	if marker != 2 || profile == 3 && r.flag() {
		return vp9Header{}, fmt.Errorf("%w: frame of %d bytes begins with %#x", media.ErrFormat, len(data), data[0])
	}
	if r.flag() { // show_existing_frame
		return vp9Header{shown: true, size: s.refs[r.bits(3)]}, nil
	}
	h := vp9Header{key: !r.flag(), shown: r.flag()}
	resilient := r.flag()
	var err error
	if h.key {
		h.refresh = 0xFF
		err = vp9SyncAndColour(r, profile)
		h.size = vp9Size(r)
	} else {
		err = s.dependent(r, &h, profile, resilient)
	}
	if err != nil {
		return vp9Header{}, err
	}
	if r.over {
		return vp9Header{}, fmt.Errorf("%w: header of a frame of %d bytes ends early", media.ErrLength, len(data))
	}
	for i := range s.refs {
		if h.refresh>>i&1 == 1 {
			s.refs[i] = h.size
		}
	}
	return h, nil
}

// dependent reads on in a frame that is no key frame.
func (s *vp9Stream) dependent(r *bitReader, h *vp9Header, profile uint32, resilient bool) error {
	intra := !h.shown && r.flag() // intra_only
	if !resilient {
		r.bits(2) // reset_frame_context
	}
	if intra {
		if profile == 0 {
			profile = noColour
		}
		if err := vp9SyncAndColour(r, profile); err != nil {
			return err
		}
		h.refresh = r.bits(8)
		h.size = vp9Size(r)
		return nil
	}
	h.refresh = r.bits(8)
	var refs [3]uint32
	for i := range refs {
		refs[i] = r.bits(3)
		r.flag() // ref_frame_sign_bias
	}
	for _, ref := range refs {
		if r.flag() { // found_ref
			h.size = s.refs[ref]
			return nil
		}
	}
	h.size = vp9Size(r)
	return nil
}

func vp9Size(r *bitReader) frameSize {
	return frameSize{int(r.bits(16)) + 1, int(r.bits(16)) + 1}
}

// noColour stands for the profile of an intra-only frame that has no
// color_config.
const noColour = 4

// vp9SyncAndColour reads frame_sync_code and color_config.
func vp9SyncAndColour(r *bitReader, profile uint32) error {
	if code := r.bits(24); code != 0x498342 && !r.over {
		return fmt.Errorf("%w: frame with sync code %#06x (allowed: 0x498342)", media.ErrFormat, code)
	}
	if profile == noColour {
		return nil
	}
	if profile >= 2 {
		r.flag() // ten_or_twelve_bit
	}
	const rgb = 7
	space := r.bits(3)
	if space != rgb {
		r.flag() // color_range
	}
	switch {
	case profile&1 == 0:
	case space == rgb:
		r.flag() // reserved_zero
	default:
		r.bits(3) // subsampling_x, subsampling_y, reserved_zero
	}
	return nil
}
