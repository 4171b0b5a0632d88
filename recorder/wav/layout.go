package wav

import "github.com/roomkit-live/roomkit-go/media"

// layout returns the files that a recording may come to have, whose paths begin
// with base. There is none for a direction that is not recorded.
func layout(o Options, base string, create func(string) (disk, error)) []*file {
	newFile := func(suffix string, takes func(media.Direction) bool) *file {
		return &file{path: base + suffix + ".wav", takes: takes, sample: o.Sample, create: create}
	}
	only := func(d media.Direction) func(media.Direction) bool {
		return func(other media.Direction) bool { return other == d }
	}
	var files []*file
	if o.Channels == Separate || o.Channels == All {
		if o.Mode.wants(media.Inbound) {
			files = append(files, newFile("_inbound", only(media.Inbound)))
		}
		if o.Mode.wants(media.Outbound) {
			files = append(files, newFile("_outbound", only(media.Outbound)))
		}
	}
	mixed, stereo := "", ""
	if o.Channels == All {
		mixed, stereo = "_mixed", "_stereo"
	}
	if o.Channels == Mixed || o.Channels == All {
		files = append(files, newFile(mixed, o.Mode.wants))
	}
	if o.Channels == Stereo || o.Channels == All {
		f := newFile(stereo, o.Mode.wants)
		f.stereo = true
		files = append(files, f)
	}
	return files
}

// attune makes files ready for a direction whose first audio has so many
// channels, and returns how many of it they need: a stereo file one.
func attune(files []*file, d media.Direction, channels int) (needed int) {
	needed = 1
	for _, f := range files {
		switch {
		case !f.takes(d), f.stereo && f.channels != 0: // what is set the writer may be reading
		case f.stereo:
			f.channels = 2
		case f.channels == 0:
			f.channels = channels
			needed = max(needed, channels)
		default:
			needed = max(needed, f.channels)
		}
	}
	return needed
}
