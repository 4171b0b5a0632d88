package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/rtpin"
)

// webRTC answers one offer of a browser and delivers what it sends: what a WHIP
// server or an SFU on Pion does.
type webRTC struct {
	offer  string
	answer string // once Connect has returned

	mu    sync.Mutex
	stats map[media.Kind]rtpin.Stats // of tracks that have ended
}

func (b *webRTC) Name() string { return "browser" }

// call is a running session.
type call struct {
	backend *webRTC
	session backend.Session
	sink    backend.Sink
	peer    *webrtc.PeerConnection
	sender  *rtpin.Participant
	tracks  map[media.Kind]*lateBound
	readers sync.WaitGroup
}

// lateBound is a track that is announced before its first packet.
type lateBound struct {
	sink backend.TrackSink
	ask  func() // set once, before the first sample
	mu   sync.Mutex
}

func (l *lateBound) request() {
	l.mu.Lock()
	ask := l.ask
	l.mu.Unlock()
	if ask != nil {
		ask()
	}
}

func newPeer() (*webrtc.PeerConnection, error) {
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	// Transport-wide feedback, by which the browser sets its bit rate. Packets
	// are asked for again by rtpin, not by Pion.
	registry := &interceptor.Registry{}
	receiver, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, err
	}
	registry.Add(receiver)
	feedback, err := twcc.NewSenderInterceptor()
	if err != nil {
		return nil, err
	}
	registry.Add(feedback)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		engine.RegisterFeedback(webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBTransportCC}, kind)
		if err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.TransportCCURI}, kind); err != nil {
			return nil, err
		}
	}
	var settings webrtc.SettingEngine
	settings.SetLite(true)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings))
	return api.NewPeerConnection(webrtc.Configuration{})
}

func (b *webRTC) Connect(ctx context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	peer, err := newPeer()
	if err != nil {
		return nil, err
	}
	c := &call{backend: b, session: s, sink: sink, peer: peer, sender: rtpin.NewParticipant(),
		tracks: map[media.Kind]*lateBound{}}
	if err := c.accept(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// accept answers the offer and announces its tracks.
func (c *call) accept(ctx context.Context) error {
	c.peer.OnTrack(c.receive)
	if err := c.peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: c.backend.offer}); err != nil {
		return err
	}
	for _, tr := range c.peer.GetTransceivers() {
		codecs := tr.Receiver().GetParameters().Codecs
		if len(codecs) == 0 {
			return fmt.Errorf("no common codec for %s", tr.Kind())
		}
		f, err := formatOf(codecs[0])
		if err != nil {
			return err
		}
		kind := media.KindAudio
		if f.Codec.IsPicture() {
			kind = media.KindVideo
		}
		l := &lateBound{}
		announced := backend.Track{Kind: kind, Encoded: f}
		if kind == media.KindVideo {
			announced.RequestKeyFrame = l.request
		}
		if l.sink, err = c.sink.AddTrack(announced); err != nil {
			return err
		}
		c.tracks[kind] = l
	}
	answer, err := c.peer.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(c.peer)
	if err := c.peer.SetLocalDescription(answer); err != nil {
		return err
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.backend.answer = c.peer.LocalDescription().SDP
	return nil
}

var mimeTypes = map[string]media.Codec{
	"video/h264": media.H264, "video/h265": media.HEVC, "video/vp8": media.VP8, "video/vp9": media.VP9, "video/av1": media.AV1,
	"audio/opus": media.Opus, "audio/pcmu": media.PCMU, "audio/pcma": media.PCMA, "audio/g722": media.G722,
}

// formatOf returns a format by its media type, such as video/VP8.
func formatOf(codec webrtc.RTPCodecParameters) (media.EncodedFormat, error) {
	f := media.EncodedFormat{Codec: mimeTypes[strings.ToLower(codec.MimeType)]}
	switch f.Codec {
	case media.CodecUnknown:
		return f, fmt.Errorf("no recording of %s", codec.MimeType)
	case media.PCMU, media.PCMA:
		f.Rate, f.Channels = int(codec.ClockRate), 1
	case media.G722:
		f.Channels = 1
	}
	return f, nil
}

// receive is called by Pion for each track, on a goroutine of its own.
func (c *call) receive(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	c.readers.Add(1)
	defer c.readers.Done()
	kind := media.KindAudio
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		kind = media.KindVideo
	}
	bound := c.tracks[kind]
	if bound == nil {
		return
	}
	f, err := formatOf(track.Codec())
	if err != nil {
		c.session.Log.Error(err.Error())
		return
	}
	feedback := func(p rtcp.Packet) {
		if err := c.peer.WriteRTCP([]rtcp.Packet{p}); err != nil && !errors.Is(err, webrtc.ErrConnectionClosed) {
			c.session.Log.Warn("feedback", "err", err)
		}
	}
	askKey := func() { feedback(&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}) }
	bound.mu.Lock()
	bound.ask = askKey
	bound.mu.Unlock()
	cfg := rtpin.Config{
		Format: &f, ClockRate: int(track.Codec().ClockRate), FMTP: track.Codec().SDPFmtpLine,
		PayloadTypes: []uint8{uint8(track.PayloadType())},
		Clock:        c.sender.NewTrack(int(track.Codec().ClockRate)), Settle: time.Second,
		Deliver: bound.sink.Push,
	}
	if kind == media.KindVideo {
		cfg.RequestKeyFrame = askKey
		cfg.Nack = func(missing []uint16) {
			feedback(&rtcp.TransportLayerNack{MediaSSRC: uint32(track.SSRC()), Nacks: rtcp.NackPairsFromSequenceNumbers(missing)})
		}
	}
	in, err := rtpin.NewReceiver(cfg)
	if err != nil {
		c.session.Log.Error(err.Error())
		return
	}
	c.run(in, track, receiver)
	c.backend.mu.Lock()
	defer c.backend.mu.Unlock()
	if c.backend.stats == nil {
		c.backend.stats = map[media.Kind]rtpin.Stats{}
	}
	c.backend.stats[kind] = in.Stats()
}

// run feeds a receiver until the call ends. Its calls come from this goroutine
// only.
func (c *call) run(in *rtpin.Receiver, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	type arrived struct {
		at     time.Duration
		packet *rtp.Packet
		report *rtcp.SenderReport
	}
	arrivals := make(chan arrived, 256)
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			arrivals <- arrived{at: c.session.Clock.Now(), packet: p}
		}
	})
	readers.Go(func() {
		for {
			packets, _, err := receiver.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if sr, ok := p.(*rtcp.SenderReport); ok {
					arrivals <- arrived{at: c.session.Clock.Now(), report: sr}
				}
			}
		}
	})
	go func() { readers.Wait(); close(arrivals) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case a, ok := <-arrivals:
			switch {
			case !ok:
				in.Flush()
				return
			case a.report != nil:
				in.Report(a.report, a.at)
			default:
				in.PushPacket(a.packet, a.at)
			}
		case <-tick.C:
			in.Poll(c.session.Clock.Now())
		}
	}
}

func (c *call) Close() error {
	err := c.peer.GracefulClose()
	c.readers.Wait()
	return err
}

// statsOf returns what was counted of a track that has ended.
func (b *webRTC) statsOf(kind media.Kind) rtpin.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats[kind]
}
