package mp4

// TrackConfig describes a track.
type TrackConfig struct {
	Codec Codec
	// Timescale is the number of ticks per second, in which all times of the
	// track are given: 90000 for video, the sample rate for audio.
	Timescale uint32
	// Name is shown by players and editors; Language is a three-letter
	// ISO 639-2/T code, empty if unknown.
	Name, Language string
	// Disabled tracks are not played unless chosen.
	Disabled bool
	// Group is the alternate group: players choose one track of each group
	// other than 0.
	Group uint16
	// Priming is how many ticks a decoder gives out first that are not to be
	// heard: 1024 for most AAC, the pre-skip of Opus.
	Priming int64
}

// A Sample is one access unit or packet.
type Sample struct {
	// DTS and PTS are when it is decoded and shown, in ticks of its track
	// counted from the file's time zero. Decode times of a track increase. What
	// is shown before zero, and the track's priming, is in the file but hidden
	// by its edit list, for the decoder to start from.
	DTS, PTS int64
	// Duration is how long it lasts where no later sample tells, in ticks;
	// where one does, it lasts until that one.
	Duration int64
	// Sync: decoding can begin here. Of audio every sample is one, said or not.
	Sync bool
	// Data is as the codec's description says; it is copied.
	Data []byte
}
