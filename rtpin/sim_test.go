package rtpin

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/media"
)

// A unitSent is an access unit on its way: what must come out, and the payloads
// it is sent in.
type unitSent struct {
	want     []byte
	ticks    int64 // from the beginning of the stream
	payloads [][]byte
	marker   bool // on the last payload
	// sameUnit: a further sample of the payloads of the unit before.
	sameUnit bool
}

// material is a stream of one codec.
type material struct {
	format    media.EncodedFormat
	clockRate int
	fmtp      string
	units     []unitSent
}

const testMTU = 180 // so that small pictures take several packets

// newMaterial encodes a clip and cuts it into payloads.
func newMaterial(t testing.TB, codec string) material {
	t.Helper()
	switch codec {
	case "pcmu":
		return newBytewise(media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1})
	case "g722":
		return newBytewise(media.EncodedFormat{Codec: media.G722, Channels: 1})
	case "vp9svc":
		return newLayered(t)
	}
	c := clip.Encode(t, codec, clip.Options{BFrames: map[string]int{"h264": 2}[codec]})
	m := material{clockRate: 90000}
	var payloader rtp.Payloader
	switch codec {
	case "h264":
		m.format.Codec, payloader = media.H264, &codecs.H264Payloader{}
	case "hevc":
		m.format.Codec, payloader = media.HEVC, &codecs.H265Payloader{}
	case "vp8":
		m.format.Codec, payloader = media.VP8, &codecs.VP8Payloader{EnablePictureID: true}
	case "vp9":
		m.format.Codec, payloader = media.VP9, &codecs.VP9Payloader{}
	case "av1":
		m.format.Codec, payloader = media.AV1, &codecs.AV1Payloader{}
	case "opus":
		m.format.Codec, payloader, m.clockRate = media.Opus, &codecs.OpusPayloader{}, 48000
	case "aac":
		return newAACMaterial(c)
	}
	for _, s := range c.Samples {
		data := s.Data
		if s.Sync && (codec == "h264" || codec == "hevc") {
			data = slices.Concat(c.Extra, data)
		}
		m.units = append(m.units, unitSent{
			want:     normal(codec, data),
			ticks:    s.PTS * int64(m.clockRate) / int64(c.Timescale),
			payloads: payloader.Payload(testMTU, data),
			marker:   m.format.Codec.IsPicture(),
		})
	}
	return m
}

// normal is an access unit as it is after transport: start codes of four
// bytes, no delimiters.
func normal(codec string, data []byte) []byte {
	switch codec {
	case "h264", "hevc":
		var out []byte
		for _, nal := range bytes.Split(bytes.ReplaceAll(data, []byte{0, 0, 0, 1}, []byte{0, 0, 1}), []byte{0, 0, 1}) {
			if len(nal) == 0 || codec == "h264" && nal[0]&0x1f == 9 || codec == "hevc" && nal[0]>>1 == 35 {
				continue
			}
			// A NAL unit never ends in zero; FFmpeg sends some that do.
			out = append(append(out, 0, 0, 0, 1), bytes.TrimRight(nal, "\x00")...)
		}
		return out
	case "av1":
		return bytes.TrimPrefix(data, []byte{0x12, 0x00}) // temporal delimiter
	}
	return data
}

// newBytewise is packets of 20 ms, each with other bytes.
func newBytewise(f media.EncodedFormat) material {
	m := material{format: f, clockRate: 8000}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		p := make([]byte, 160)
		for j := range p {
			p[j] = byte(rng.Uint32())
		}
		m.units = append(m.units, unitSent{want: p, ticks: int64(i) * 160, payloads: [][]byte{p}})
	}
	return m
}

// newLayered makes pictures of two spatial layers out of two clips.
func newLayered(t testing.TB) material {
	low := clip.Encode(t, "vp9", clip.Options{})
	high := clip.Encode(t, "vp9", clip.Options{Width: 128, Height: 96})
	m := material{format: media.EncodedFormat{Codec: media.VP9}, clockRate: 90000}
	for i := range low.Samples {
		u := unitSent{ticks: int64(i) * 9000, marker: true}
		for sid, data := range [][]byte{low.Samples[i].Data, high.Samples[i].Data} {
			u.want = append(u.want, data...)
			for at := 0; at < len(data); at += testMTU {
				part := data[at:min(at+testMTU, len(data))]
				// I, P, L, F, B, E, V, Z: layer indices, non-flexible mode.
				flags := byte(0x20)
				if !low.Samples[i].Sync {
					flags |= 0x40
				}
				if at == 0 {
					flags |= 0x08
				}
				if at+len(part) == len(data) {
					flags |= 0x04
				}
				u.payloads = append(u.payloads, append([]byte{flags, byte(sid<<1 | sid), byte(i)}, part...))
			}
		}
		u.want = appendIndex(u.want, len(low.Samples[i].Data), len(high.Samples[i].Data))
		m.units = append(m.units, u)
	}
	return m
}

// appendIndex is the index of a superframe of two small frames.
func appendIndex(data []byte, a, b int) []byte {
	if max(a, b) < 256 {
		return append(data, 0b110_00_001, byte(a), byte(b), 0b110_00_001)
	}
	return append(data, 0b110_01_001, byte(a), byte(a>>8), byte(b), byte(b>>8), 0b110_01_001)
}

const testFMTP = "streamtype=5; profile-level-id=15; mode=AAC-hbr; config=1188; sizeLength=13; indexLength=3; indexDeltaLength=3"

// newAACMaterial sends frames singly, in pairs and in fragments.
func newAACMaterial(c clip.Clip) material {
	m := material{format: media.EncodedFormat{Codec: media.AAC, Rate: c.Rate, Channels: c.Channels}, clockRate: c.Rate, fmtp: testFMTP}
	for i := 0; i+4 <= len(c.Samples); i += 4 {
		s := c.Samples[i : i+4]
		at := s[0].PTS - c.Samples[0].PTS
		pair := slices.Concat([]byte{0, 32}, aacHeader(len(s[1].Data)), aacHeader(len(s[2].Data)), s[1].Data, s[2].Data)
		half := len(s[3].Data) / 2
		header := append([]byte{0, 16}, aacHeader(len(s[3].Data))...)
		m.units = append(m.units,
			unitSent{want: s[0].Data, ticks: at, payloads: [][]byte{slices.Concat([]byte{0, 16}, aacHeader(len(s[0].Data)), s[0].Data)}, marker: true},
			unitSent{want: s[1].Data, ticks: at + 1024, payloads: [][]byte{pair}, marker: true},
			unitSent{want: s[2].Data, ticks: at + 2048, sameUnit: true},
			unitSent{want: s[3].Data, ticks: at + 3072, marker: true, payloads: [][]byte{
				slices.Concat(header, s[3].Data[:half]), slices.Concat(header, s[3].Data[half:])}},
		)
	}
	return m
}

func aacHeader(size int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(size<<3)) }

// A plan is what a sender and a network do.
type plan struct {
	seed     uint64
	rounds   int // how often the material is sent, in one stream; 0: once
	sequence uint16
	stamp    uint32
	ssrc     uint32

	loss       float64
	duplicate  float64
	reorder    float64       // how many packets are held back
	behind     int           // by up to how many packets
	jitter     time.Duration // each packet is late by up to so much, in order
	spikeEvery int           // packets
	spike      time.Duration // and all after it wait for that
	silentAt   int           // unit before which nothing is sent
	silence    time.Duration // for so long; timestamps go on, sequence numbers do not
	answers    bool          // the sender sends again what it is asked for
	roundTrip  time.Duration
	padding    float64 // packets without payload between the others
	config     func(*Config)
}

// onWire is a packet as the network has it.
type onWire struct {
	packet *rtp.Packet
	unit   int // -1: padding
	at     time.Duration
	order  int
	lost   bool
}

type wire []onWire

func (w wire) Len() int { return len(w) }
func (w wire) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(w[i].at, w[j].at), w[i].order-w[j].order) < 0
}
func (w wire) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *wire) Push(x any)   { *w = append(*w, x.(onWire)) }
func (w *wire) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}

// a world is a simulated run.
type world struct {
	t        testing.TB
	plan     plan
	material material
	rng      *rand.Rand
	r        *Receiver
	clock    *TrackClock
	now      time.Duration
	network  wire
	order    int

	sent    []onWire // by order of sending; lost as the network decided
	byKey   map[key]int
	units   []unitSent
	arrived []time.Duration // of sent packets, first time; -1: not yet
	starts  []int           // index in sent where a stream begins

	delivered []delivery
	asked     int
	keyFrames []time.Duration
}

type key struct {
	ssrc  uint32
	stamp uint32
}

type delivery struct {
	unit int
	at   time.Duration
	time time.Duration
	lost int
	dur  time.Duration
}

func newWorld(t testing.TB, m material, p plan) *world {
	t.Helper()
	w := &world{t: t, plan: p, material: m, rng: rand.New(rand.NewPCG(p.seed, 7)), byKey: map[key]int{}}
	w.clock = NewParticipant().NewTrack(m.clockRate)
	format := m.format
	cfg := Config{
		Format: &format, ClockRate: m.clockRate, FMTP: m.fmtp, Clock: w.clock, Deliver: w.take,
		RequestKeyFrame: func() { w.keyFrames = append(w.keyFrames, w.now) },
	}
	if p.answers {
		cfg.Nack = w.answer
	}
	if p.config != nil {
		p.config(&cfg)
	}
	var err error
	if w.r, err = NewReceiver(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// stream puts a stream of the plan on the network, beginning at the given time,
// and returns when it ends.
func (w *world) stream(p plan, begin time.Duration) time.Duration {
	w.plan = p
	w.starts = append(w.starts, len(w.sent))
	seq, at, order, blocked := p.sequence, begin, 0, begin
	round := int64(0)
	last := w.material.units[len(w.material.units)-1].ticks
	step := last / int64(len(w.material.units)-1)
	var silent int64
	for n := range max(p.rounds, 1) {
		round = int64(n) * (last + step)
		for i, u := range w.material.units {
			if i > 0 && i == p.silentAt && !u.sameUnit {
				silent += int64(p.silence.Seconds() * float64(w.material.clockRate))
			}
			ticks := round + u.ticks + silent
			stamp := p.stamp + uint32(ticks)
			w.byKey[key{p.ssrc, stamp}] = len(w.units)
			w.units = append(w.units, u)
			// In order of decoding: time goes on though timestamps go back.
			at = max(at, begin+time.Duration(float64(ticks)/float64(w.material.clockRate)*1e9))
			for j, payload := range u.payloads {
				w.send(p, &rtp.Packet{Header: rtp.Header{
					Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: stamp, SSRC: p.ssrc,
					Marker: u.marker && j == len(u.payloads)-1,
				}, Payload: payload}, len(w.units)-1, at, &blocked, order)
				seq++
				order++
				if w.rng.Float64() < p.padding {
					w.send(p, &rtp.Packet{Header: rtp.Header{
						Version: 2, Padding: true, PaddingSize: 20, PayloadType: 96, SequenceNumber: seq, Timestamp: stamp, SSRC: p.ssrc,
					}}, -1, at, &blocked, order)
					seq++
					order++
				}
				at += 100 * time.Microsecond
			}
		}
	}
	return max(at, blocked)
}

// send lets the network do what it does with a packet.
func (w *world) send(p plan, packet *rtp.Packet, unit int, at time.Duration, blocked *time.Duration, order int) {
	const transit = 30 * time.Millisecond
	if p.spikeEvery > 0 && order%p.spikeEvery == p.spikeEvery-1 {
		*blocked = at + p.spike
	}
	if p.jitter > 0 {
		at += time.Duration(w.rng.Int64N(int64(p.jitter)))
	}
	at = max(at, *blocked)
	if p.jitter > 0 {
		*blocked = at
	}
	s := onWire{packet: packet, unit: unit, at: at + transit, order: w.order}
	w.order++
	// The first packets of a stream are how it is known.
	first := order < 2
	s.lost = !first && w.rng.Float64() < p.loss
	if !first && w.rng.Float64() < p.reorder {
		s.at += time.Duration(1+w.rng.IntN(p.behind)) * w.spacing()
	}
	w.sent = append(w.sent, s)
	w.arrived = append(w.arrived, -1)
	if !s.lost {
		heap.Push(&w.network, s)
	}
	if !s.lost && w.rng.Float64() < p.duplicate {
		s.at += time.Duration(w.rng.Int64N(int64(50 * time.Millisecond)))
		heap.Push(&w.network, s)
	}
}

// spacing is about the time between two packets.
func (w *world) spacing() time.Duration {
	if w.material.format.Codec.IsPicture() {
		return 200 * time.Microsecond
	}
	return 12 * time.Millisecond
}

// answer sends again what is asked for, through the same network.
func (w *world) answer(missing []uint16) {
	w.asked += len(missing)
	for _, n := range missing {
		for i := len(w.sent) - 1; i >= 0; i-- {
			if s := w.sent[i]; s.packet.SequenceNumber == n && s.packet.SSRC == w.r.source.ssrc && s.at <= w.now+time.Second {
				if w.rng.Float64() >= w.plan.loss {
					s.at = w.now + w.plan.roundTrip
					heap.Push(&w.network, s)
				}
				break
			}
		}
	}
}

// run brings all packets to the receiver, and calls it when it wants to be.
func (w *world) run() {
	w.t.Helper()
	for w.network.Len() > 0 {
		if at, ok := w.r.Next(); ok && at < w.network[0].at {
			if at <= w.now {
				w.t.Fatalf("at %v next event at %v", w.now, at)
			}
			w.now = at
			w.r.Poll(at)
			continue
		}
		p := heap.Pop(&w.network).(onWire)
		w.now = max(w.now, p.at)
		if w.arrived[p.order] < 0 {
			w.arrived[p.order] = w.now
		}
		raw, err := p.packet.Marshal()
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.r.Push(raw, w.now); err != nil {
			w.t.Fatal(err)
		}
		w.conserved()
	}
	for at, ok := w.r.Next(); ok; at, ok = w.r.Next() {
		w.now = at
		w.r.Poll(at)
	}
	w.r.Flush()
	w.conserved()
}

// conserved: each packet is in exactly one count.
func (w *world) conserved() {
	w.t.Helper()
	s := w.r.Stats()
	if sum := s.Delivered + s.Discarded + s.Empty + s.Foreign + s.Duplicates + s.Late + s.Strays + s.Malformed + s.Waiting; sum != s.Received {
		w.t.Fatalf("%d packets received, %d counted: %+v", s.Received, sum, s)
	}
}

// take checks that a sample is byte for byte what was sent with its timestamp.
func (w *world) take(s media.Sample) {
	defer s.Release()
	if err := s.Validate(); err != nil {
		w.t.Fatal(err)
	}
	ticks := w.r.assemble.timestamp + int64(0)
	if n := len(w.r.assemble.unit.cuts); n > 0 {
		// Which of the samples of the unit this is shows in its last bytes.
		for _, c := range w.r.assemble.unit.cuts {
			if bytes.HasSuffix(w.r.assemble.unit.data[:c.end], s.Encoded.Data) {
				ticks = w.r.assemble.timestamp + c.ticks
				break
			}
		}
	}
	unit, ok := w.byKey[key{w.r.source.ssrc, uint32(ticks)}]
	if !ok {
		w.t.Fatalf("sample of timestamp %d, which was not sent", uint32(ticks))
	}
	if want := w.units[unit].want; !bytes.Equal(s.Encoded.Data, want) {
		w.t.Fatalf("unit %d: %d bytes %x, sent %d bytes %x", unit, len(s.Encoded.Data), s.Encoded.Data, len(want), want)
	}
	if n := len(w.delivered); n > 0 && w.delivered[n-1].unit >= unit {
		w.t.Fatalf("unit %d after %d", unit, w.delivered[n-1].unit)
	}
	w.delivered = append(w.delivered, delivery{unit, w.now, s.Time, s.Encoded.Lost, s.Encoded.Duration})
}

// packetsOf returns the range of a unit's packets in sent.
func (w *world) packetsOf(unit int) (from, to int) {
	if w.units[unit].sameUnit {
		unit--
	}
	from, to = math.MaxInt, -1
	for i, s := range w.sent {
		if s.unit == unit {
			from, to = min(from, i), max(to, i)
		}
	}
	return from, to
}

// losses returns how many packets of each stream's span never arrived: between
// the first and the last of it that did.
func (w *world) losses() (n int) {
	for i, from := range w.starts {
		to := len(w.sent)
		if i+1 < len(w.starts) {
			to = w.starts[i+1]
		}
		for to > from && w.arrived[to-1] < 0 {
			to--
		}
		for j := from; j < to; j++ {
			if w.arrived[j] < 0 {
				n++
			}
		}
	}
	return n
}
