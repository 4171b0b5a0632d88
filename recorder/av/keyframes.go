package av

import (
	"math"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

const (
	// askAgain is after how much media a keyframe is asked for once more.
	askAgain = time.Second
	// longestFreeze is for how long pictures stand still after a loss where the
	// source was asked for a keyframe and players could go on without.
	longestFreeze = 2 * time.Second
)

// keyframeRequests asks the source of encoded pictures for a keyframe where one
// is missing: at once, and again while none comes.
type keyframeRequests struct {
	send   func() // nil if the source cannot be asked
	ledger *ledger

	asking bool
	last   time.Duration // valid if asking
}

func (k *keyframeRequests) canAsk() bool { return k.send != nil }

// ask is for each picture that comes while a keyframe is missing.
func (k *keyframeRequests) ask(at time.Duration) {
	if k.send == nil || k.asking && at-k.last < askAgain && at >= k.last {
		return
	}
	k.asking, k.last = true, at
	k.send()
	k.ledger.update(func(t *recorder.TrackResult) { t.KeyframeRequests++ })
}

// answered says that none is missing.
func (k *keyframeRequests) answered() { k.asking = false }

// freezeAfterLoss is for how long at most pictures are left out after a loss,
// until a keyframe comes.
func freezeAfterLoss(policy recorder.AfterLoss, c media.Codec, canAsk bool) time.Duration {
	// The decoders of H.264 and HEVC conceal what is missing; those of the
	// others give up, and a player with them.
	conceals := c == media.H264 || c == media.HEVC
	switch {
	case policy == recorder.AfterLossKeep, policy == recorder.AfterLossAuto && conceals && !canAsk:
		return 0
	case policy == recorder.AfterLossAuto && conceals:
		return longestFreeze
	}
	return math.MaxInt64
}
