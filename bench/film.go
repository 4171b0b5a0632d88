package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend/file"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

const (
	filmTitle = "Encoded media through the whole engine"
	// What is demanded: CPU time compared with ffmpeg's stream copy, and with
	// decoding and encoding.
	filmRatio, anewRatio = 1.2, 1.0 / 30
	// Pictures of so many seconds are encoded and repeated. The first of them
	// are encoded anew once.
	pieceSeconds, pieces = 20, 90
	filmSeconds          = pieceSeconds * pieces
)

// compareFilm lets a film that is encoded already be recorded by the whole
// engine, as "roomkit record --fast" does, beside ffmpeg's stream copy, and
// beside ffmpeg decoding and encoding it with the fastest settings of x264:
// the stand-in for recorders that know raw media only.
func compareFilm(ctx context.Context, o options, m material) error {
	for _, sound := range []string{"aac", "libopus"} {
		if err := compareFilmOf(ctx, o, m, sound); err != nil {
			return err
		}
	}
	return nil
}

// filmContest are the costs in ms per second of media, and the peaks of memory.
type filmContest struct {
	piece, film, dir, out string

	ours, copied, anew side
	lost               int64
}

func compareFilmOf(ctx context.Context, o options, m material, sound string) error {
	c := &filmContest{dir: filepath.Join(m.dir, "films"), out: filepath.Join(m.dir, "film-copied.mp4")}
	defer os.RemoveAll(c.dir)
	if err := c.make(ctx, m, sound); err != nil {
		return err
	}
	defer os.Remove(c.film)
	for range o.runs {
		if err := c.round(ctx); err != nil {
			return err
		}
	}
	if o.profile != "" {
		if err := c.profiled(ctx, o.profile, sound); err != nil {
			return err
		}
	}
	info, err := os.Stat(c.film)
	if err != nil {
		return err
	}
	c.report(fmt.Sprintf("%s: %d minutes of 1280x720 H.264 with B-frames and %s, %.0f MB", filmTitle, filmSeconds/60, sound, float64(info.Size())/1e6))
	return nil
}

// make makes the film.
func (c *filmContest) make(ctx context.Context, m material, sound string) error {
	const bytes = filmSeconds * 160_000
	if err := m.haveRoom(2 * bytes); err != nil {
		return err
	}
	c.piece, c.film = filepath.Join(m.dir, "film-piece.mp4"), filepath.Join(m.dir, "film-whole.mp4")
	picture, voice := m.source(picture{1280, 720, "yuv420p"})
	raw, tone := filepath.Join(m.dir, "film.h264.mp4"), filepath.Join(m.dir, "film.audio.mp4")
	defer os.Remove(raw)
	defer os.Remove(tone)
	for _, args := range [][]string{
		append(picture, "-t", fmt.Sprint(pieceSeconds), "-c:v", "libx264", "-preset", "veryfast", "-g", fmt.Sprint(2*fps), "-b:v", "1M", "-an", raw),
		append(voice, "-t", fmt.Sprint(filmSeconds), "-vn", "-ac", "2", "-c:a", sound, "-b:a", "96k", tone),
		{"-stream_loop", fmt.Sprint(pieces - 1), "-i", raw, "-i", tone, "-map", "0", "-map", "1", "-c", "copy", c.film},
		{"-i", c.film, "-t", fmt.Sprint(pieceSeconds), "-map", "0", "-c", "copy", c.piece},
	} {
		if _, err := ffmpegRun(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *filmContest) round(ctx context.Context) error {
	out, u, err := record(ctx, job{Film: c.film, Config: c.config()})
	if err != nil {
		return err
	}
	c.ours.addPer(u, filmSeconds)
	c.lost += out.lost()
	os.Remove(out.Path)
	if u, err = measure(ffmpegCommand(ctx, "-i", c.film, "-map", "0", "-c", "copy", c.out)); err != nil {
		return err
	}
	c.copied.addPer(u, filmSeconds)
	if u, err = measure(ffmpegCommand(ctx, "-i", c.piece, "-map", "0", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
		"-threads", "1", "-crf", "23", "-g", fmt.Sprint(2*fps), "-c:a", "aac", "-b:a", "48k", c.out)); err != nil {
		return err
	}
	c.anew.addPer(u, pieceSeconds)
	return os.Remove(c.out)
}

// addPer adds a cost as milliseconds per second of media.
func (s *side) addPer(u usage, seconds float64) {
	s.cpu, s.mib = append(s.cpu, 1000*u.cpu/seconds), append(s.mib, u.mib)
}

// config is what "roomkit record --fast" has.
func (c *filmContest) config() recorder.Config {
	return recorder.Config{Storage: c.dir, File: recorder.FileOptions{Direct: true}}
}

// profiled records once more, with a CPU profile.
func (c *filmContest) profiled(ctx context.Context, dir, sound string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	out, _, err := record(ctx, job{Film: c.film, Config: c.config(), Profile: filepath.Join(dir, "film-"+sound+".pprof")})
	os.Remove(out.Path)
	return err
}

func (c *filmContest) report(title string) {
	t := newTable(title)
	t.cpu("CPU ms per s of media, beside ffmpeg -c copy", c.ours.cpu, c.copied.cpu, filmRatio)
	t.cpu("CPU ms per s of media, beside decoding and encoding", c.ours.cpu, c.anew.cpu, anewRatio)
	t.memory("peak memory MiB, beside ffmpeg -c copy", c.ours.mib, c.copied.mib, 0)
	t.print()
	fmt.Printf("\nSamples lost: %d. Noise of CPU time: ours %.0f %%, FFmpeg's copy %.0f %%.\n", c.lost, 100*c.ours.cpu.spread(), 100*c.copied.cpu.spread())
}

// recordFilm records an encoded film on a virtual clock.
func recordFilm(ctx context.Context, j job) (outcome, error) {
	rec, err := av.NewRecorder()
	if err != nil {
		return outcome{}, err
	}
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	return recordFrom(ctx, kit, file.New(j.Film, file.Options{Encoded: true}), recorder.Binding{Recorder: rec, Config: j.Config})
}
