// Package rtpin turns RTP packets into encoded samples: it puts packets back
// into order, asks for missing ones, joins them to access units and gives those
// the time at which they were captured.
//
//	packets ──► source ──► jitter buffer ──► assembler ──► samples
//	            (SSRC,     (order, gaps,     (depacketiser,
//	            restarts)   NACK, patience)   holes, capture time)
//
// A [Receiver] serves one track. It has no goroutine and no timer: packets and
// time are pushed in, samples come out of the same call. Nothing is delayed
// while nothing is missing.
//
// Specifications: RFC 3550 (RTP), 6184 (H.264), 7798 (HEVC), 7741 (VP8), 9628
// (VP9), 7587 (Opus), 3640 (AAC), 3551 (G.711, G.722) and the AV1 RTP
// specification of AOMedia.
package rtpin
