package rtpin

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

const (
	// maxUnit is how many bytes of payload an access unit may have: a keyframe
	// of 8K takes a few megabytes.
	maxUnit = 16 << 20
	// keyFrameInterval is the least time between two requests for a keyframe.
	keyFrameInterval = time.Second
)

// assembler joins the packets of one timestamp to an access unit. One ends with
// the marker bit, with a packet that is an access unit by itself, or where the
// timestamp changes. Where packets are missing, one with a hole is dropped, and
// so is the one after the hole unless it surely begins there.
type assembler struct {
	cfg          *Config
	stats        *Stats
	now          *time.Duration
	depacketizer depacketizer
	pool         media.EncodedPool
	settling     settling

	unit      unit
	open      bool
	timestamp int64 // of the open unit
	packets   int   // its packets
	bytes     int   // and their payload
	broken    bool  // it will not be delivered
	torn      bool  // the packet before the next one is missing or unknown
	doubtful  bool  // within the open unit came what is not of it
	markers   bool  // the stream has marker bits
	lost      int64 // packets lost since the last sample

	keyed       bool // decoding goes on from a keyframe
	requested   bool
	requestedAt time.Duration
}

// hole tells that the next n packets are missing.
func (a *assembler) hole(n int64) {
	a.torn = true
	a.lost += n
	a.needKeyFrame()
}

// packet takes the next packet in order.
func (a *assembler) packet(p *packet) {
	switch {
	case len(p.payload) == 0:
		a.stats.Empty++
		a.doubtful = a.open
		return
	case p.foreign:
		a.stats.Foreign++
		a.doubtful = a.open
		return
	}
	if a.open && p.timestamp != a.timestamp {
		// With a hole before this packet the end may be in the hole, or in a
		// packet that is not for us.
		a.close(!a.torn && !a.doubtful)
	}
	switch {
	case a.open:
		a.broken = a.broken || a.torn
	default:
		a.begin(p)
	}
	a.torn = false
	whole := a.add(p)
	a.markers = a.markers || p.marker
	if whole || p.marker {
		a.close(true)
	}
}

// begin opens an access unit. After a hole its first packets may be missing.
func (a *assembler) begin(p *packet) {
	a.unit.reset()
	a.depacketizer.reset()
	a.open, a.timestamp, a.packets, a.bytes, a.doubtful = true, p.timestamp, 0, 0, false
	a.broken = a.torn && !a.depacketizer.begins(p.payload)
}

// add adds a packet to the open unit and reports whether it is whole thereby.
func (a *assembler) add(p *packet) (whole bool) {
	a.packets++
	a.bytes += len(p.payload)
	a.broken = a.broken || a.bytes > maxUnit
	if a.broken {
		return false
	}
	whole, err := a.depacketizer.add(&a.unit, p.payload)
	a.broken = err != nil
	return whole
}

// close ends the open unit and delivers it if it is whole and a frame.
func (a *assembler) close(whole bool) {
	a.open = false
	packets := uint64(a.packets)
	a.packets = 0
	if !whole || a.broken || a.depacketizer.finish(&a.unit) != nil {
		a.stats.Discarded += packets
		a.stats.DamagedFrames++
		// Whoever decodes must learn that something is missing, even if no
		// packet is.
		a.lost = max(a.lost, 1)
		a.needKeyFrame()
		return
	}
	if len(a.unit.data) == 0 {
		a.stats.Discarded += packets // such as a temporal delimiter only
		return
	}
	a.stats.Delivered += packets
	a.deliver()
}

// deliver hands the unit on, as one sample or as several.
func (a *assembler) deliver() {
	u := &a.unit
	if u.key {
		a.keyed, a.requested = true, false
	} else if !a.keyed {
		a.needKeyFrame()
	}
	if len(u.cuts) == 0 {
		a.sample(u.data, 0, u.duration)
		return
	}
	at := 0
	for _, c := range u.cuts {
		a.sample(u.data[at:c.end], c.ticks, u.duration)
		at = c.end
	}
}

func (a *assembler) sample(data []byte, ticks, duration int64) {
	e := a.pool.Get(a.cfg.Format, len(data))
	copy(e.Data, data)
	e.Lead = lead(a.cfg.Format.Codec)
	e.Duration = time.Duration(duration * int64(time.Second) / int64(a.cfg.ClockRate))
	e.Whole = true
	e.Lost = int(a.lost)
	a.lost = 0
	a.stats.Samples++
	sample, timestamp := media.Sample{Encoded: e}, a.timestamp+ticks
	if a.settling.holds(*a.now, a.cfg.Settle) {
		a.settling.held = append(a.settling.held, unstamped{sample, timestamp})
		a.settling.bytes += len(data)
		return
	}
	a.settle(false)
	sample.Time = a.cfg.Clock.Capture(timestamp)
	a.cfg.Deliver(sample)
}

// lead is the time between decoding and display as far as RTP tells: H.264 and
// HEVC may be reordered, and packets say nothing of it.
func lead(c media.Codec) time.Duration {
	if c == media.H264 || c == media.HEVC {
		return media.UnknownLead
	}
	return 0
}

// needKeyFrame asks for a keyframe, unless that has just been done.
func (a *assembler) needKeyFrame() {
	a.keyed = false
	if a.cfg.RequestKeyFrame == nil || !a.cfg.Format.Codec.IsPicture() {
		return
	}
	if a.requested && *a.now-a.requestedAt < keyFrameInterval {
		return
	}
	a.requested, a.requestedAt = true, *a.now
	a.cfg.RequestKeyFrame()
}

// flush delivers the open unit if it can be whole: without a marker it is only
// in streams that have none. Of a stream's first picture nobody knows that.
func (a *assembler) flush() {
	if a.open {
		a.close(!a.torn && !a.doubtful && !a.markers && !(a.cfg.Format.Codec.IsPicture() && a.stats.Delivered == 0))
		a.torn = true // the next packet may be of the same unit
	}
}

// restart is ready for another stream of the same track.
func (a *assembler) restart() {
	a.flush()
	a.settle(true)
	a.settling.begun = false
	a.torn, a.markers, a.keyed = true, false, false
}
