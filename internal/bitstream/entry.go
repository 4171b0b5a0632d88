package bitstream

// An entryRule says which pictures of H.264 and HEVC decoding can begin with.
//
// What the encoder itself states counts at once: an IDR or IRAP picture, and in
// H.264 a recovery point SEI message, with which encoders announce open GOPs and
// intra refresh (FFmpeg, too, takes each such picture for a key). Decoders of
// HEVC begin at IRAP pictures only, and so a recovery point counts there only
// where there are no such pictures.
//
// Cameras exist that send an IDR picture once, or while nobody listened, and I
// pictures ever after, or an intra refresh without a word (x265). An I picture
// alone promises nothing, for those after it may refer to pictures before it:
// encoders put one at each change of scene. It counts
//   - if parameter sets come with it, which is done for those who join, unless
//     the stream has entries that are stated;
//   - without them only if the stream has never stated an entry, in so many
//     pictures that it will not.
//
// Of HEVC, whose slice types are further down in the header, any picture with
// parameter sets counts when stated entries have not come for so long.
type entryRule struct {
	stated   bool // an entry was, at some time
	pictures int  // since the last stated one, or the beginning
}

// patience is how many pictures a stream may have between two stated entries:
// more than encoders put there by default (250), ten seconds at thirty per
// second.
const patience = 300

// state takes note of a stated entry.
func (e *entryRule) state() { e.stated, e.pictures = true, 0 }

// overdue reports whether the stream seems to have no stated entries any more.
func (e *entryRule) overdue() bool { return e.pictures >= patience }

// announced reports whether an entry counts with which the encoder helps those
// who join, without stating that it is one.
func (e *entryRule) announced() bool { return !e.stated || e.overdue() }

// unannounced reports whether an entry counts with which nothing is said.
func (e *entryRule) unannounced() bool { return !e.stated && e.overdue() }
