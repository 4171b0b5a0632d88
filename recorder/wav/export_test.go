package wav

import (
	"io"
	"time"
)

// Disk is what a recording needs of a file that is open.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// SetCreate has files made in another way than by the system.
func (r *Recorder) SetCreate(create func(path string) (Disk, error)) {
	r.create = func(path string) (disk, error) { return create(path) }
}

// SetIDs has recordings get these ids, one after the other.
func (r *Recorder) SetIDs(ids ...string) {
	r.newID = func() (string, error) {
		id := ids[0]
		ids = ids[1:]
		return id, nil
	}
}

// SetTime sets the clock for names.
func (r *Recorder) SetTime(t time.Time) { r.now = func() time.Time { return t } }

// SetMostRIFF has files become RF64 from another size on.
func (r *Recorder) SetMostRIFF(size int64) { r.mostRIFF = size }

// The bounds that tests know.
const MostWaiting = mostWaiting
