package rtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
)

// fakeSender sends packets by hand, RTCP from the port behind.
type fakeSender struct {
	t         *testing.T
	rtp, rtcp *net.UDPConn
	to        *net.UDPAddr
}

func newFakeSender(t *testing.T, to string) *fakeSender {
	t.Helper()
	addr, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeSender{t: t, to: addr}
	port := freePorts(t, 2)
	for i, c := range []**net.UDPConn{&s.rtp, &s.rtcp} {
		if *c, err = net.ListenUDP("udp", &net.UDPAddr{Port: port + i}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*c).Close() })
	}
	return s
}

func (s *fakeSender) voice(ssrc uint32, number int) {
	s.t.Helper()
	if _, err := s.rtp.WriteToUDP(packet(s.t, ssrc, number, 0, uint32(160*number)), s.to); err != nil {
		s.t.Skipf("cannot send to %v: %v", s.to, err)
	}
}

func (s *fakeSender) bye(ssrc uint32) {
	s.t.Helper()
	data, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: ssrc}, &rtcp.Goodbye{Sources: []uint32{ssrc}}})
	if err == nil {
		_, err = s.rtcp.WriteToUDP(data, &net.UDPAddr{IP: s.to.IP, Port: s.to.Port + 1})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Any family and any way to name the address.
func TestAddresses(t *testing.T) {
	for name, c := range map[string]struct{ address, to string }{
		"IPv4":      {"c=IN IP4 127.0.0.1", "127.0.0.1"},
		"IPv6":      {"c=IN IP6 ::1", "::1"},
		"any":       {"c=IN IP4 0.0.0.0", "127.0.0.1"},
		"none":      {"a=x", "127.0.0.1"},
		"none, v6":  {"a=x", "::1"},
		"another's": {"c=IN IP4 192.0.2.1", "127.0.0.1"},
		"group":     {"c=IN IP4 239.255.77.1/1", "239.255.77.1"},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePorts(t, 2)
			b, err := New(name, sdp(c.address, fmt.Sprintf("m=audio %d RTP/AVP 0", port)), Options{Settle: -1})
			if err != nil {
				t.Fatal(err)
			}
			got := collect()
			conn, err := b.Connect(t.Context(), sinktest.Session(media.NewRealClock()), got)
			if err != nil {
				t.Skip(err)
			}
			defer conn.Close()
			sender := newFakeSender(t, net.JoinHostPort(c.to, fmt.Sprint(port)))
			for n := range 100 {
				sender.voice(ssrcA, n)
				time.Sleep(5 * time.Millisecond)
				if len(got.of(media.KindAudio)) > 3 {
					return
				}
			}
			if name == "group" {
				t.Skip("no multicast on this machine")
			}
			t.Error("nothing arrives")
		})
	}
}

// A port that is taken is named, RTP's and RTCP's, and those opened before are
// free again.
func TestPortInUse(t *testing.T) {
	trouble.NothingLeft(t)
	port := freePorts(t, 2)
	b, err := New("x", sdp("c=IN IP4 127.0.0.1", fmt.Sprintf("m=audio %d RTP/AVP 0", port)), Options{Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		taken, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + i})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Connect(t.Context(), sinktest.Session(media.NewRealClock()), collect())
		if !errors.Is(err, ErrPortInUse) || !strings.Contains(err.Error(), fmt.Sprint("UDP port ", port+i)) {
			t.Errorf("error is %v, want that port %d is in use", err, port+i)
		}
		taken.Close()
	}
	conn := connect(t, b, collect())
	if _, err := b.Connect(t.Context(), sinktest.Session(media.NewRealClock()), collect()); !errors.Is(err, ErrPortInUse) {
		t.Errorf("second session for the same ports: %v", err)
	}
	conn.Close()
}

// The session takes only what it wants; for the rest no port is opened.
func TestWants(t *testing.T) {
	port := freePorts(t, 4)
	b, err := New("x", sdp("c=IN IP4 127.0.0.1", fmt.Sprintf("m=audio %d RTP/AVP 0", port),
		fmt.Sprintf("m=video %d RTP/AVP 96", port+2), "a=rtpmap:96 VP8/90000"), Options{Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	voice, video := collect(), collect()
	connect(t, b, voice, media.KindAudio)
	connect(t, b, video, media.KindVideo)
	if a, v := voice.Tracks(), video.Tracks(); len(a) != 1 || len(v) != 1 || a[0].RequestKeyFrame != nil || v[0].RequestKeyFrame == nil ||
		a[0].Encoded.Codec != media.PCMU || v[0].Encoded.Codec != media.VP8 {
		t.Errorf("tracks %+v and %+v", a, v)
	}
	if _, err := b.Connect(t.Context(), sinktest.Session(media.NewRealClock(), media.KindScreen), collect()); !errors.Is(err, backend.ErrNoMedia) {
		t.Errorf("nothing wanted: %v", err)
	}
}

// The session ends when all senders that came have said goodbye, unless that is
// to be ignored; and when nothing comes for the time given.
func TestEnds(t *testing.T) {
	trouble.NothingLeft(t)
	for name, c := range map[string]struct {
		opt     Options
		packets bool
		bye     bool
		advance time.Duration
		ends    bool
	}{
		"goodbye":             {Options{Settle: -1}, true, true, grace, true},
		"goodbye just now":    {Options{Settle: -1}, true, true, grace - time.Millisecond, false},
		"goodbye ignored":     {Options{IgnoreBye: true, Settle: -1}, true, true, time.Hour, false},
		"silence":             {Options{Settle: -1}, true, false, time.Hour, false},
		"idle":                {Options{IdleTimeout: time.Minute, Settle: -1}, true, false, time.Minute, true},
		"idle from the first": {Options{IdleTimeout: time.Minute, Settle: -1}, false, false, time.Minute, true},
		"not idle":            {Options{IdleTimeout: time.Minute, Settle: -1}, true, false, time.Minute - time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePorts(t, 4)
			b, err := New(name, sdp("c=IN IP4 127.0.0.1", fmt.Sprintf("m=audio %d RTP/AVP 0", port), // of the other nothing comes
				fmt.Sprintf("m=audio %d RTP/AVP 0", port+2)), c.opt)
			if err != nil {
				t.Fatal(err)
			}
			clock, got := media.NewVirtualClock(), collect()
			conn, err := b.Connect(t.Context(), sinktest.Session(clock), got)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			sender := newFakeSender(t, fmt.Sprintf("127.0.0.1:%d", port))
			if c.packets {
				sender.voice(ssrcA, 0)
				await(t, func() bool { return len(got.of(media.KindAudio)) == 1 })
			}
			if c.bye {
				sender.bye(ssrcA)
				time.Sleep(50 * time.Millisecond) // nothing tells that it has come
			}
			clock.Advance(c.advance)
			if ends := got.WaitEnd(2 * idlePoll); ends != c.ends {
				t.Errorf("ends: %v, want %v", ends, c.ends)
			}
			conn.Close()
			if e := got.Ends(); c.ends && (len(e) != 1 || e[0] != nil) || !c.ends && len(e) != 0 {
				t.Errorf("ends: %v", e)
			}
		})
	}
}

// What waits for a missing packet is delivered by Close; and without Close when
// its time has come.
func TestNothingIsKept(t *testing.T) {
	for _, byClose := range []bool{true, false} {
		port := freePorts(t, 2)
		b, err := New("x", sdp("c=IN IP4 127.0.0.1", fmt.Sprintf("m=audio %d RTP/AVP 0", port)), Options{Settle: -1})
		if err != nil {
			t.Fatal(err)
		}
		got := collect()
		conn := connect(t, b, got)
		sender := newFakeSender(t, fmt.Sprintf("127.0.0.1:%d", port))
		for _, n := range []int{1, 2, 4, 5} {
			sender.voice(ssrcA, n)
		}
		await(t, func() bool { return len(got.of(media.KindAudio)) >= 2 })
		if byClose {
			time.Sleep(20 * time.Millisecond) // the others come, and wait for 300 ms
			conn.Close()
		} else {
			await(t, func() bool { return len(got.of(media.KindAudio)) == 4 })
		}
		if p := got.of(media.KindAudio); len(p) != 4 || p[2].lost != 1 {
			t.Errorf("by Close: %v: %d samples", byClose, len(p))
		}
	}
}

// A keyframe that the session asks for is asked for on the wire at once, and
// from within the delivery of a sample too.
func TestRequestKeyFrame(t *testing.T) {
	port := freePorts(t, 2)
	b, err := New("x", sdp("c=IN IP4 127.0.0.1", fmt.Sprintf("m=video %d RTP/AVP 96", port), "a=rtpmap:96 VP8/90000"), Options{Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	var request func()
	samples := make(chan struct{}, 10)
	sink := sinktest.New(func(media.Kind, media.Sample, bool) {
		request()
		samples <- struct{}{}
	})
	conn := connect(t, b, sink)
	request = sink.Tracks()[0].RequestKeyFrame
	sender := newFakeSender(t, fmt.Sprintf("127.0.0.1:%d", port))
	frame := append(packet(t, ssrcA, 1, 96|0x80, 0)[:12], 0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2, 3)
	if _, err := sender.rtp.WriteToUDP(frame, sender.to); err != nil {
		t.Fatal(err)
	}
	<-samples
	for i := range 3 {
		packets := sent(t, sender.rtcp, soon)
		if pli, ok := packets[len(packets)-1].(*rtcp.PictureLossIndication); !ok || pli.MediaSSRC != ssrcA {
			t.Fatalf("request %d: sent %v", i, packets)
		}
		request()
	}
	conn.Close()
	request() // after the end: does no harm
}

// Connect with a context that has ended leaves nothing.
func TestConnectCancelled(t *testing.T) {
	trouble.NothingLeft(t)
	port := freePorts(t, 2)
	b, err := New("x", sdp(fmt.Sprintf("m=audio %d RTP/AVP 0", port)), Options{Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Connect(ctx, sinktest.Session(media.NewRealClock()), collect()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestOpen(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.sdp")
	if _, err := Open(missing, Options{Settle: -1}); !errors.Is(err, backend.ErrNotFound) || !strings.Contains(err.Error(), missing) {
		t.Errorf("error is %v", err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.sdp")
	if err := os.WriteFile(wrong, []byte("hello"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(wrong, Options{Settle: -1}); !errors.Is(err, ErrDescription) || !strings.Contains(err.Error(), wrong) {
		t.Errorf("error is %v", err)
	}
	if _, err := New("x", nil, Options{IdleTimeout: -1}); err == nil {
		t.Error("a negative time is taken")
	}
}
