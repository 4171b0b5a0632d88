package av

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// writeManifest puts the result beside the file, as room_….mp4.json, for those
// who come across the file without having seen its recording.
func writeManifest(path string, r recorder.Result) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("av: manifest: %w", err)
	}
	file, err := os.OpenFile(path+".json", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("av: manifest: %w", err)
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name()) // half a manifest helps nobody
		return fmt.Errorf("av: manifest: %w", err)
	}
	return nil
}
