package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/roomkit-live/roomkit-go/media"
)

// alsaSources lists the capture devices of sound cards. The kernel is asked,
// not libavdevice: FFmpeg up to 7.1 reads through a null pointer when any ALSA
// device in the user's configuration lacks a description, and what ALSA names
// beside the cards are converters and ways to the sound server, which is
// listed by itself.
func alsaSources(context.Context) ([]Device, error) {
	cards, err := os.Open("/proc/asound/cards")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer cards.Close()
	pcm, err := os.Open("/proc/asound/pcm")
	if err != nil {
		return nil, err
	}
	defer pcm.Close()
	return alsaCapture(cards, pcm)
}

// alsaCapture reads lines of the kernel such as
//
//	 1 [Loopback       ]: Loopback - Loopback        (cards)
//	01-00: Loopback PCM : Loopback PCM : playback 8 : capture 8
func alsaCapture(cards, pcm io.Reader) ([]Device, error) {
	names := map[int]string{}
	lines := bufio.NewScanner(cards)
	for lines.Scan() {
		var number int
		line := lines.Text()
		if _, err := fmt.Sscanf(line, "%d [", &number); err != nil {
			continue // a card's second line
		}
		_, rest, _ := strings.Cut(line, "[")
		id, _, _ := strings.Cut(rest, "]")
		names[number] = strings.TrimSpace(id)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	var devices []Device
	lines = bufio.NewScanner(pcm)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		var card, device int
		if _, err := fmt.Sscanf(fields[0], "%d-%d", &card, &device); err != nil || !strings.Contains(lines.Text(), ": capture") {
			continue
		}
		description := names[card]
		if len(fields) > 1 {
			description += ", " + strings.TrimSpace(fields[1])
		}
		devices = append(devices, Device{
			Kind: media.KindAudio, Format: "alsa", Description: description, Default: len(devices) == 0,
			// plughw converts to the rate and channels that are asked for.
			Name: fmt.Sprintf("plughw:CARD=%s,DEV=%d", names[card], device),
		})
	}
	return devices, lines.Err()
}
