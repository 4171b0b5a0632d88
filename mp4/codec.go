package mp4

// A Codec says how a track's samples are coded, and is what its sample entry
// is made from: one of [AVC], [HEVC], [AV1], [VP9], [VP8], [AAC], [Opus],
// [FLAC], [ALAC], [PCM], [Text], [Entry].
type Codec interface {
	// handler is the media's handler type: "vide", "soun" or "text".
	handler() string
	// entry returns the whole sample entry box; it validates.
	entry(quickTime bool) ([]byte, error)
	// size returns the picture's size, 0 for audio.
	size() (width, height int)
	// appendSample appends a sample as the file stores it. Codecs whose
	// samples are stored as they come append data.
	appendSample(dst, data []byte) ([]byte, error)
}
