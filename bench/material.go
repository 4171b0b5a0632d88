package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const fps = 30

// material makes raw media. Real pictures matter: an encoder's speed and size
// depend on what it sees.
type material struct {
	dir     string // where raw files go
	film    string // empty for a synthetic picture
	says    string // for people
	seconds int
}

func findMaterial(ctx context.Context, o options, dir string) (material, error) {
	m := material{dir: dir, film: o.film, seconds: o.seconds}
	if m.film == "" {
		found, _ := filepath.Glob("../shared/media/*.mp4")
		if len(found) > 0 {
			m.film = found[0]
		}
	}
	if m.film == "" {
		m.says = "synthetic: FFmpeg's testsrc2 with noise, a tone with noise (give a film with --film for real pictures)"
		return m, nil
	}
	if _, err := os.Stat(m.film); err != nil {
		return m, err
	}
	m.says = "film " + filepath.Base(m.film) + ", its pictures played at 30 a second, cropped to shape, repeated where it is too short"
	if _, err := ffmpegRun(ctx, "-i", m.film, "-map", "0:a:0", "-t", "0.1", "-f", "null", "-"); err != nil {
		return m, fmt.Errorf("film %s cannot be used (it needs video and audio): %w", m.film, err)
	}
	return m, nil
}

// A picture is a size and a pixel format, as FFmpeg spells it.
type picture struct {
	width, height int
	pixel         string
}

func (p picture) size() string { return fmt.Sprintf("%dx%d", p.width, p.height) }

func (p picture) bytes() int64 {
	n := int64(p.width) * int64(p.height)
	if p.pixel == "rgb24" {
		return 3 * n
	}
	return n + n/2
}

// fit is the filter that makes such pictures of those of a film. Where that is
// of another rate they are not repeated or left out to make 30 a second of them:
// an encoder gets a repeated picture for nothing.
func (p picture) fit() string {
	return fmt.Sprintf("setpts=N/(%d*TB),scale=%d:%d:force_original_aspect_ratio=increase:flags=lanczos,crop=%d:%d",
		fps, p.width, p.height, p.width, p.height)
}

// video makes a raw file of pictures.
func (m material) video(ctx context.Context, p picture) (string, error) {
	frames := m.seconds * fps
	if err := m.haveRoom(p.bytes() * int64(frames)); err != nil {
		return "", err
	}
	path := filepath.Join(m.dir, "v.raw")
	args := []string{"-stream_loop", "-1", "-i", m.film, "-map", "0:v:0", "-vf", p.fit()}
	if m.film == "" {
		args = []string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=%s:r=%d,noise=alls=8:allf=t", p.size(), fps)}
	}
	args = append(args, "-r", fmt.Sprint(fps), "-frames:v", fmt.Sprint(frames), "-pix_fmt", p.pixel, "-f", "rawvideo", path)
	_, err := ffmpegRun(ctx, args...)
	return path, err
}

// audio makes a raw file of 16 kHz mono s16. Different numbers give different
// sound.
func (m material) audio(ctx context.Context, number int) (string, error) {
	path := filepath.Join(m.dir, fmt.Sprintf("a%d.raw", number))
	args := []string{"-ss", fmt.Sprint(3 * number), "-stream_loop", "-1", "-i", m.film, "-map", "0:a:0"}
	if m.film == "" {
		args = []string{"-f", "lavfi", "-i", fmt.Sprintf(
			"sine=f=%d:r=16000,volume=0.5[s];anoisesrc=r=16000:a=0.05:c=pink[n];[s][n]amix", 220*(number+1))}
	}
	args = append(args, "-t", fmt.Sprint(m.seconds), "-ac", "1", "-ar", fmt.Sprint(audioRate), "-f", "s16le", path)
	_, err := ffmpegRun(ctx, args...)
	return path, err
}

// haveRoom says plainly when the disk is too small, instead of measuring a
// file that was cut off.
func (m material) haveRoom(need int64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(m.dir, &s); err != nil {
		return err
	}
	free := int64(s.Bavail) * int64(s.Bsize)
	need += 200 << 20 // for the recordings
	if free < need {
		return fmt.Errorf("raw media and recordings take %d MB, %s has %d MB free (choose another folder with --temp, or --quick)",
			need>>20, filepath.Dir(m.dir), free>>20)
	}
	return nil
}

// ffmpegCommand is one run of FFmpeg's command. It overwrites its output.
func ffmpegCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-nostats", "-y"}, args...)...)
}

// ffmpegRun runs FFmpeg where only the outcome counts and returns what it
// said.
func ffmpegRun(ctx context.Context, args ...string) (string, error) {
	cmd := ffmpegCommand(ctx, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	err := explain(cmd.Run(), &said)
	return said.String(), err
}

// explain adds the last line of what a command said to its error.
func explain(err error, said *bytes.Buffer) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	text := strings.TrimSpace(said.String())
	return fmt.Errorf("%w: %s", err, text[strings.LastIndexByte(text, '\n')+1:])
}
