// Package mp4 writes, reads and repairs hybrid MP4: a file that plays at every
// instant while it is being written, and is an ordinary progressive MP4 once
// it is finished.
//
// While it is being written:
//
//	ftyp                          brands
//	free                          16 bytes, the switch: later the header of mdat
//	moov  (slot A)                tracks, no samples; padded to the slot's size
//	free  (slot B)                the same size, for the next version of moov
//	moof mdat moof mdat …         fragments, cut by time
//
// A track that joins late writes the new moov into the unused slot and swaps
// the types of the two. Finished, the switch has become one mdat that swallows
// slots and fragments, and the final moov with full sample tables follows:
//
//	ftyp
//	mdat                          all that was written, headers of fragments included
//	moov                          sample tables
//
// Every step between is ordered by fsync, so that after a crash or a power
// loss one of the two shapes is whole.
//
// Specifications: ISO/IEC 14496-12 (base media file format), 14496-14 (MP4),
// 14496-15 (AVC and HEVC), the AV1 and VP codec bindings, RFC 7845 and the
// Opus binding, QuickTime File Format for mov.
package mp4
