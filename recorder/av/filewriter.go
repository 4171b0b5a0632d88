package av

// fileWriter writes one file of some container. Its methods are called from
// the muxer's goroutine. What is in the file it confirms to the streams'
// ledgers.
type fileWriter interface {
	// begin begins the file with the streams that are there.
	begin(streams []*stream) error
	// write takes a packet, whose times count from the file's zero. It borrows
	// the data, or takes it out of the packet. The ledger confirms the packet's
	// mark when it is in the file.
	write(p *packet) error
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
