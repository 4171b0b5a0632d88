package voice

import "errors"

// ErrSetting: a stage was asked for what it cannot do with this audio, such as
// to cut off frequencies that the audio does not have. Audio passes the stage
// unchanged, and each sample counts as a failure.
var ErrSetting = errors.New("voice: invalid setting")
