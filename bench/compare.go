package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// group is one kind of input and what is to be reached with it.
type group struct {
	title     string
	picture   picture
	voices    int
	cpuRatio  float64 // at most, ours to FFmpeg's, at equal encoder settings
	memoryMiB float64 // at most; 0 for no target
}

var groups = []group{
	{"640x480 RGB24, one audio track", picture{640, 480, "rgb24"}, 1, 0.80, 80},
	{"1280x720 RGB24, two audio tracks", picture{1280, 720, "rgb24"}, 2, 0.80, 0},
	{"640x480 I420, one audio track", picture{640, 480, "yuv420p"}, 1, 1.05, 0},
	{"1280x720 I420, two audio tracks", picture{1280, 720, "yuv420p"}, 2, 1.05, 0},
}

// compareAll prints the tables.
func compareAll(ctx context.Context, o options, m material) error {
	for _, g := range groups {
		if !strings.Contains(g.title, o.only) {
			continue
		}
		if err := compare(ctx, o, m, g); err != nil {
			return fmt.Errorf("%s: %w", g.title, err)
		}
	}
	if strings.Contains(copyTitle, o.only) {
		if err := compareCopy(ctx, o, m); err != nil {
			return fmt.Errorf("%s: %w", copyTitle, err)
		}
	}
	if strings.Contains(filmTitle, o.only) {
		if err := compareFilm(ctx, o, m); err != nil {
			return fmt.Errorf("%s: %w", filmTitle, err)
		}
	}
	if o.only != "" && strings.Contains(roomsTitle, o.only) {
		if err := compareRooms(ctx, o, m); err != nil {
			return fmt.Errorf("%s: %w", roomsTitle, err)
		}
	}
	if o.only != "" && strings.Contains(durabilityTitle, o.only) {
		if err := compareDurability(ctx, o, m); err != nil {
			return fmt.Errorf("%s: %w", durabilityTitle, err)
		}
	}
	if !strings.Contains(liveTitle, o.only) {
		return nil
	}
	return showLive(ctx, o, m)
}

// contest is the state of one group.
type contest struct {
	group
	video  string
	audio  []string
	dir    string // for recordings
	theirs string // path of FFmpeg's recording

	equal, byDefault, ffmpeg side
	lost                     int64
}

// side is one of those that record the input.
type side struct {
	cpu, mib, allocs series
	path             string // of its last recording
	size             int64
}

// equalSettings are those of FFmpeg's command in theirCommand.
func equalSettings() recorder.VideoOptions {
	return recorder.VideoOptions{Preset: "ultrafast", CRF: 23, Threads: 1}
}

func compare(ctx context.Context, o options, m material, g group) error {
	c := &contest{group: g, dir: filepath.Join(m.dir, "recordings"), theirs: filepath.Join(m.dir, "ffmpeg.mp4")}
	defer os.RemoveAll(c.dir)
	var err error
	if c.video, err = m.video(ctx, g.picture); err != nil {
		return err
	}
	defer os.Remove(c.video)
	for i := range g.voices {
		path, err := m.audio(ctx, i)
		if err != nil {
			return err
		}
		c.audio = append(c.audio, path)
	}
	for range o.runs {
		if err := c.round(ctx); err != nil {
			return err
		}
	}
	if err := c.profiled(ctx, o.profile); err != nil {
		return err
	}
	return c.report(ctx)
}

// round lets each side record once.
func (c *contest) round(ctx context.Context) error {
	if err := c.ours(ctx, &c.equal, equalSettings()); err != nil {
		return err
	}
	u, err := measure(ffmpegCommand(ctx, c.theirCommand()...))
	if err != nil {
		return err
	}
	info, err := os.Stat(c.theirs)
	if err != nil {
		return err
	}
	c.ffmpeg.add(u, c.theirs, info.Size())
	return c.ours(ctx, &c.byDefault, recorder.VideoOptions{})
}

func (s *side) add(u usage, path string, size int64) {
	s.cpu, s.mib = append(s.cpu, u.cpu), append(s.mib, u.mib)
	s.path, s.size = path, size
}

func (c *contest) job(v recorder.VideoOptions) job {
	format := media.VideoFormat{Pixel: media.I420, Width: c.picture.width, Height: c.picture.height, Rate: fps}
	if c.picture.pixel == "rgb24" {
		format.Pixel = media.RGB24
	}
	return job{Video: c.video, Format: format, Audio: c.audio,
		// With auto a machine that has NVENC would compare something else.
		Config: recorder.Config{Storage: c.dir, VideoCodec: "libx264", VideoFPS: fps, Video: v}}
}

func (c *contest) ours(ctx context.Context, s *side, v recorder.VideoOptions) error {
	if s.path != "" {
		os.Remove(s.path)
	}
	out, u, err := record(ctx, c.job(v))
	if err != nil {
		return err
	}
	s.add(u, out.Path, out.Size)
	s.allocs = append(s.allocs, float64(out.Allocated.Objects)/float64(out.Allocated.Pictures))
	c.lost += out.lost()
	return nil
}

// profiled records once more, with a CPU profile.
func (c *contest) profiled(ctx context.Context, dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	j := c.job(equalSettings())
	j.Profile = filepath.Join(dir, fmt.Sprintf("%s-%s.pprof", c.picture.size(), c.picture.pixel))
	_, _, err := record(ctx, j)
	return err
}

// theirCommand is FFmpeg's command for the same recording. Its keyframes come
// every two seconds, as ours do.
func (c *contest) theirCommand() []string {
	args := []string{"-f", "rawvideo", "-pix_fmt", c.picture.pixel, "-s", c.picture.size(), "-r", fmt.Sprint(fps), "-i", c.video}
	for _, path := range c.audio {
		args = append(args, "-f", "s16le", "-ar", fmt.Sprint(audioRate), "-ac", "1", "-i", path)
	}
	for i := range len(c.audio) + 1 {
		args = append(args, "-map", fmt.Sprint(i))
	}
	return append(args, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1", "-crf", "23",
		"-g", fmt.Sprint(2*fps), "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "48k", c.theirs)
}

// report prints the group's table.
func (c *contest) report(ctx context.Context) error {
	ssim := map[string]float64{}
	for _, s := range []*side{&c.equal, &c.byDefault, &c.ffmpeg} {
		v, err := similarity(ctx, s.path, c.picture, c.video)
		if err != nil {
			return err
		}
		ssim[s.path] = v
	}
	t := newTable(c.title)
	t.cpu("CPU s, equal settings", c.equal.cpu, c.ffmpeg.cpu, c.cpuRatio)
	t.cpu("CPU s, our defaults", c.byDefault.cpu, c.ffmpeg.cpu, 0)
	t.memory("peak memory MiB, equal settings", c.equal.mib, c.ffmpeg.mib, c.memoryMiB)
	t.memory("peak memory MiB, our defaults", c.byDefault.mib, c.ffmpeg.mib, c.memoryMiB)
	t.size("file MB, equal settings", c.equal.size, c.ffmpeg.size)
	t.size("file MB, our defaults", c.byDefault.size, c.ffmpeg.size)
	t.plain("SSIM, equal settings", fmt.Sprintf("%.4f", ssim[c.equal.path]), fmt.Sprintf("%.4f", ssim[c.ffmpeg.path]))
	t.plain("SSIM, our defaults", fmt.Sprintf("%.4f", ssim[c.byDefault.path]), fmt.Sprintf("%.4f", ssim[c.ffmpeg.path]))
	t.most("Go heap allocations per picture", append(c.equal.allocs, c.byDefault.allocs...), noAllocations)
	t.print()
	fmt.Printf("\nNoise of CPU time (extremes apart, as part of the median): ours %.0f %%, FFmpeg %.0f %%.", 100*c.equal.cpu.spread(), 100*c.ffmpeg.cpu.spread())
	if c.lost == 0 {
		fmt.Println(" No sample was lost.")
	} else {
		fmt.Printf(" %d SAMPLES WERE LOST.\n", c.lost)
	}
	diff, err := settingsDiffer(c.equal.path, c.ffmpeg.path)
	if err != nil {
		return err
	}
	fmt.Println("x264 settings in the two files of equal settings, ours and FFmpeg's:", diff)
	return nil
}

// noAllocations leaves room for what the Go runtime itself allocates now and
// then, a dozen objects in a run; what a picture needed would count as 1 or
// more.
const noAllocations = 0.1
