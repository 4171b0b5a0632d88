// Package bitstream reads off encoded media what can be known without decoding
// it: where decoding can begin, how large the pictures are, what a decoder must
// be told first, when a picture is to be decoded, how long a packet of audio
// lasts.
//
// Errors wrap media.ErrFormat for what is no such stream, and media.ErrLength
// for what ends early or is too long.
package bitstream
