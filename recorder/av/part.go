package av

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// part is one file of a recording while it is being written.
type part struct {
	file   *outputFile
	writer fileWriter
	start  time.Duration // its time zero, counted from the gate's
	end    time.Duration // of the last packet in it
	any    bool          // something has been written
}

// outcome is what became of a part.
type outcome struct {
	recorder.Part
	published bool
	usable    bool // what the ledgers have confirmed can be played
	err       error
}

// finish completes the file and gives it its name, even if not all could be
// written, as long as it plays. failed is why it has ended before its time, nil
// if it has not.
func (p *part) finish(failed error) outcome {
	if !p.any {
		p.writer.abandon()
		if failed == nil {
			return outcome{usable: true, err: p.file.discard()}
		}
		return outcome{err: p.kept(errors.Join(failed, p.file.close()))}
	}
	usable, err := p.writer.finish(failed)
	if !usable {
		return outcome{err: p.kept(err)}
	}
	if _, gone := os.Stat(p.file.partial); gone != nil {
		return outcome{err: p.kept(errors.Join(err, gone))}
	}
	if unnamed := p.file.publish(); unnamed != nil {
		return outcome{usable: true, err: p.kept(errors.Join(err, unnamed))}
	}
	return outcome{Part: p.describe(), published: true, usable: true, err: err}
}

func (p *part) describe() recorder.Part {
	d := recorder.Part{Path: p.file.final, Start: p.start, Duration: max(p.end-p.start, 0)}
	if info, err := os.Stat(p.file.final); err == nil {
		d.Size = info.Size()
	}
	return d
}

// kept adds to an error where the file is that has not got its name. An empty
// one is not kept.
func (p *part) kept(err error) error {
	info, gone := os.Stat(p.file.partial)
	if gone == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return fmt.Errorf("%w; nothing could be written", errors.Join(err, p.file.discard()))
	}
	if gone != nil {
		return fmt.Errorf("%w; nothing is left of the file", err)
	}
	return fmt.Errorf("%w; what could be written is kept as %s", err, p.file.partial)
}
