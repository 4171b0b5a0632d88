// Package endtoend holds tests only: real senders (a browser, FFmpeg,
// GStreamer) are recorded over the network through a kit, and the files are
// judged by FFmpeg, GStreamer and Chromium. A sender that is not installed skips
// its tests.
//
//	sender ─► network ─► rtpin ─► session ─► recorder/av ─► file ─► judges
//
// Where the network is to be bad, what FFmpeg sends is captured once and sent
// again on the virtual clock, by a network that loses and delays as a seed says:
// minutes take seconds, and each run is the same.
package endtoend
