package rtpin

// Stats counts what became of packets, since the receiver was made. Each packet
// that was pushed is in exactly one of these:
//
//	Received = Delivered + Discarded + Empty + Foreign + Duplicates + Late + Strays + Malformed + Waiting
type Stats struct {
	Received   uint64 // calls of Push and PushPacket
	Delivered  uint64 // packets whose payload is in a sample
	Discarded  uint64 // packets of frames with a hole, or whose bytes are no frame
	Empty      uint64 // packets without payload, such as padding
	Foreign    uint64 // packets of another payload type
	Duplicates uint64 // packets that were there already
	Late       uint64 // packets given up before they came, or older than the first
	Strays     uint64 // single packets far off the sequence, or of a former SSRC
	Malformed  uint64 // no RTP packets
	Waiting    uint64 // packets that wait for others now

	Lost      uint64 // packets given up; those that came later are Late too
	Reordered uint64 // packets that came in time, but after later ones
	Recovered uint64 // those of them that came after they were asked for

	Samples       uint64 // samples delivered
	DamagedFrames uint64 // access units not delivered, as far as anything of them came
	SSRCChanges   uint64 // streams after the first
	Restarts      uint64 // jumps of the sequence within a stream
}
