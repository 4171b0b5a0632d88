// Package roomkit records rooms: conversations of several participants, each
// on one or more channels, into one file with every voice, camera and screen
// on one timeline.
//
// A [Kit] owns channels and rooms. A channel ([VoiceChannel], [VideoChannel],
// [AudioVideoChannel]) couples a backend, where media comes from, with a
// pipeline. [Kit.Join] makes a [Session]: one participant on one channel of
// one room. A room has any number of recordings, each fed through a queue of
// its own, so that no recorder ever holds up a source or another recorder.
//
// All types are safe for concurrent use. All times are on the kit's clock, see
// package media.
package roomkit
