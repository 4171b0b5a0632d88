package rtpin

import "fmt"

// bytewise passes on codecs whose payload is a run of bytes, each of the same
// duration: G.711 and G.722 (RFC 3551, section 4.5).
type bytewise struct {
	perTick int // bytes per tick of the RTP clock
}

func (*bytewise) reset()             {}
func (*bytewise) begins([]byte) bool { return true }
func (*bytewise) finish(*unit) error { return nil }

func (b *bytewise) add(u *unit, payload []byte) (whole bool, err error) {
	if len(payload)%b.perTick != 0 {
		return true, fmt.Errorf("%w: %d bytes for %d channels", errFrame, len(payload), b.perTick)
	}
	u.data = append(u.data, payload...)
	u.duration = int64(len(payload) / b.perTick)
	return true, nil
}

// opus passes on Opus packets (RFC 7587): a payload is one.
type opus struct {
	clockRate int
}

func (*opus) reset()             {}
func (*opus) begins([]byte) bool { return true }
func (*opus) finish(*unit) error { return nil }

func (o *opus) add(u *unit, payload []byte) (whole bool, err error) {
	us, err := opusDuration(payload)
	if err != nil {
		return true, err
	}
	u.data = append(u.data, payload...)
	u.duration = int64(us) * int64(o.clockRate) / 1e6
	return true, nil
}

// opusDuration returns how long an Opus packet lasts in microseconds (RFC 6716,
// section 3.1): the configuration in the upper five bits of the first byte says
// how long a frame is, the lower two how many there are.
func opusDuration(packet []byte) (int, error) {
	toc := packet[0]
	var frame int
	switch config := toc >> 3; {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		frame = [...]int{10000, 20000, 40000, 60000}[config%4]
	case config < 16: // hybrid: 10, 20 ms
		frame = [...]int{10000, 20000}[config%2]
	default: // CELT: 2.5, 5, 10, 20 ms
		frame = 2500 << (config % 4)
	}
	frames := 2
	switch toc & 3 {
	case 0:
		frames = 1
	case 3:
		if len(packet) < 2 {
			return 0, fmt.Errorf("%w: Opus packet without the number of its frames", errFrame)
		}
		frames = int(packet[1] & 0x3f)
	}
	// Section 3.2.5, requirement R5: at least one, and at most 120 ms.
	if frames == 0 || frames*frame > 120000 {
		return 0, fmt.Errorf("%w: %d Opus frames of %d us (allowed: 1 frame to 120 ms)", errFrame, frames, frame)
	}
	return frames * frame, nil
}
