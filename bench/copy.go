package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
)

const (
	copyTitle = "Encoded media into MP4"
	copyBytes = 1 << 30
	// What is demanded of the writer: CPU time per GB compared with ffmpeg's
	// stream copy and with cp.
	copyRatio, cpRatio = 1.0, 3.0
)

// compareCopy lets films that are encoded already be written into an MP4: by
// our writer, by ffmpeg's stream copy, and by cp, which does not even look at
// them. We and ffmpeg read with the same demuxer. Ours alone returns with the
// file on the disk: beside it ffmpeg's file is synced too.
func compareCopy(ctx context.Context, o options, m material) error {
	for _, rate := range []string{"1M", "8M"} {
		if err := compareCopyAt(ctx, o, m, rate); err != nil {
			return err
		}
	}
	return nil
}

// copyContest are the costs per GB of those that write a film: of all they do,
// and of reading alone.
type copyContest struct {
	film, out string
	size      int64

	ours, oursReading, theirs, theirReading, sync, cp side
}

func compareCopyAt(ctx context.Context, o options, m material, rate string) error {
	film, size, err := m.encoded(ctx, rate, copyBytes)
	if err != nil {
		return err
	}
	defer os.Remove(film)
	c := &copyContest{film: film, size: size, out: filepath.Join(m.dir, "copied.mp4")}
	for range o.runs {
		if err := c.round(ctx); err != nil {
			return err
		}
	}
	c.report(fmt.Sprintf("%s, %.1f GB of H.264 at %sbit/s and AAC", copyTitle, float64(size)/1e9, rate))
	return nil
}

func (c *copyContest) round(ctx context.Context) error {
	own := func(to string) func() (usage, error) {
		return func() (usage, error) {
			_, u, err := record(ctx, job{Copy: c.film, CopyTo: to})
			return u, err
		}
	}
	run := func(cmd *exec.Cmd) func() (usage, error) {
		return func() (usage, error) { return measure(cmd) }
	}
	defer os.Remove(c.out)
	for _, turn := range []struct {
		of      *side
		measure func() (usage, error)
		clear   bool // the file is not needed any more
	}{
		{&c.oursReading, own(""), true},
		{&c.ours, own(c.out), true},
		{&c.theirReading, run(ffmpegCommand(ctx, "-i", c.film, "-map", "0", "-c", "copy", "-f", "null", "-")), true},
		{&c.theirs, run(ffmpegCommand(ctx, "-i", c.film, "-map", "0", "-c", "copy", c.out)), false},
		{&c.sync, run(exec.CommandContext(ctx, "sync", c.out)), true},
		{&c.cp, run(exec.CommandContext(ctx, "cp", c.film, c.out)), true},
	} {
		u, err := turn.measure()
		if err != nil {
			return err
		}
		u.cpu /= float64(c.size) / 1e9
		turn.of.add(u, c.out, c.size)
		if turn.clear {
			os.Remove(c.out)
		}
	}
	return nil
}

func (c *copyContest) report(title string) {
	writing, theirWriting := c.ours.cpu.less(c.oursReading.cpu), c.theirs.cpu.less(c.theirReading.cpu)
	t := newTable(title)
	t.cpu("CPU s per GB, all, beside ffmpeg -c copy", c.ours.cpu, c.theirs.cpu, copyRatio)
	t.cpu("CPU s per GB, all, beside ffmpeg -c copy and sync", c.ours.cpu, c.theirs.cpu.plus(c.sync.cpu), 0)
	t.cpu("CPU s per GB without reading, beside ffmpeg's", writing, theirWriting, copyRatio)
	t.cpu("CPU s per GB without reading, beside cp", writing, c.cp.cpu, cpRatio)
	t.memory("peak memory MiB, beside ffmpeg -c copy", c.ours.mib, c.theirs.mib, 0)
	t.print()
	fmt.Printf("\nNoise of CPU time: ours %.0f %%, FFmpeg %.0f %%, cp %.0f %%.\n",
		100*c.ours.cpu.spread(), 100*c.theirs.cpu.spread(), 100*c.cp.cpu.spread())
}

// encoded makes a file of at least so many bytes of H.264 and AAC.
func (m material) encoded(ctx context.Context, rate string, bytes int64) (path string, size int64, err error) {
	piece := filepath.Join(m.dir, "piece.mp4")
	defer os.Remove(piece)
	source := []string{"-i", m.film}
	if m.film == "" {
		source = []string{"-f", "lavfi", "-i", "testsrc2=s=854x480:r=24,noise=alls=8:allf=t", "-f", "lavfi", "-i", "sine=440:r=48000"}
	}
	if _, err := ffmpegRun(ctx, append(source, "-t", "20", "-c:v", "libx264", "-preset", "veryfast", "-g", "48",
		"-b:v", rate, "-c:a", "aac", "-ac", "2", "-b:a", "128k", piece)...); err != nil {
		return "", 0, err
	}
	info, err := os.Stat(piece)
	if err != nil {
		return "", 0, err
	}
	if err := m.haveRoom(2*bytes + 2*info.Size()); err != nil {
		return "", 0, err
	}
	path = filepath.Join(m.dir, "film.mp4")
	loops := bytes / info.Size()
	if _, err := ffmpegRun(ctx, "-stream_loop", fmt.Sprint(loops), "-i", piece, "-map", "0", "-c", "copy", path); err != nil {
		return "", 0, err
	}
	if info, err = os.Stat(path); err != nil {
		return "", 0, err
	}
	return path, info.Size(), nil
}

// copyFile writes the packets of one file into another, or only reads them
// where that has no name.
func copyFile(ctx context.Context, j job) (outcome, error) {
	in, err := ffmpeg.OpenInput(ctx, j.Copy, ffmpeg.InputOptions{})
	if err != nil {
		return outcome{}, err
	}
	defer in.Close()
	if j.CopyTo == "" {
		return outcome{}, copyPackets(in, func(int, mp4.Sample) error { return nil })
	}
	file, err := os.Create(j.CopyTo)
	if err != nil {
		return outcome{}, err
	}
	defer file.Close()
	// ffmpeg does not sync either.
	w, err := mp4.NewWriter(file, mp4.Options{SyncInterval: -1, Direct: true})
	if err != nil {
		return outcome{}, err
	}
	tracks, err := copyTracks(w, in)
	if err == nil {
		err = copyPackets(in, func(i int, s mp4.Sample) error { return tracks[i].Write(ctx, s) })
	}
	err = errors.Join(err, w.Close(ctx))
	return outcome{Path: j.CopyTo, Size: w.Size()}, err
}

func copyTracks(w *mp4.Writer, in *ffmpeg.Input) ([]*mp4.Track, error) {
	var tracks []*mp4.Track
	for i, s := range in.Streams() {
		p := in.Params(i)
		codec, err := mp4.CodecFromExtradata(s.Codec, p.ExtraData(), p.Width(), p.Height(), p.Rate(), p.Channels())
		if err != nil {
			return nil, err
		}
		_, scale := p.TimeBase()
		c := mp4.TrackConfig{Codec: codec, Timescale: uint32(scale)}
		if s.Kind == media.KindAudio {
			c.Priming = 1024
		}
		t, err := w.AddTrack(c)
		if err != nil {
			return nil, err
		}
		tracks = append(tracks, t)
	}
	return tracks, nil
}

func copyPackets(in *ffmpeg.Input, write func(stream int, s mp4.Sample) error) error {
	p := ffmpeg.NewPacket()
	defer p.Free()
	for {
		i, err := in.Read(p)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s := mp4.Sample{DTS: p.DTS(), PTS: p.PTS(), Duration: p.Duration(), Sync: p.IsKey(), Data: p.Data()}
		if err := write(i, s); err != nil {
			return err
		}
	}
}
