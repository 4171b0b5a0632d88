package av

import "github.com/roomkit-live/roomkit-go/internal/ffmpeg"

// fileWriter writes one file of some container. Its methods are called from
// the muxer's goroutine. What is in the file it confirms to the streams'
// ledgers.
type fileWriter interface {
	// begin begins the file with the streams that are there.
	begin(streams []*stream) error
	// write takes a packet over, whose times count from the file's zero.
	// through is what the ledger confirms with it.
	write(s *stream, p *ffmpeg.Packet, through int64) error
	// tick is called a few times a second of real time.
	tick() error
	// finish completes and closes the file. failed is what an earlier write
	// said, nil if all is well, and then in err too. usable says that the file
	// plays, if there is an error, as far as its ledgers say.
	finish(failed error) (usable bool, err error)
	// abandon closes a file that nothing was written to, or nothing can be.
	abandon()
	// size is that of the media written so far, in bytes.
	size() int64
}
