package rtp

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// sdp makes a description of the lines that matter.
func sdp(lines ...string) []byte {
	all := append([]string{"v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0"}, lines...)
	return []byte(strings.Join(all, "\n") + "\n")
}

// A description in every detail that counts.
func TestDescription(t *testing.T) {
	d, err := parse([]byte("SDP:\r\n" + strings.Join([]string{
		"v=0", "o=- 0 0 IN IP6 ::1", "s=call", "i=a description", "c=IN IP6 ::1", "t=0 0", "a=tool:someone",
		"m=audio 5004 RTP/SAVPF 111 0 8 9 101 18 13",
		"b=AS:64",
		"a=fmtp:111 sprop-stereo=1",
		"a=rtpmap:111 opus/48000/2", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:18 G729/8000",
		"a=rtcp:6000 IN IP6 ::1", "a=ssrc:4294967295 cname:x", "a=ssrc:4294967295 msid:y", "a=ssrc:7 cname:x", "a=sendonly",
		"a=crypto:1 AES_CM_999 inline:AAAA",
		"a=crypto:2 AEAD_AES_128_GCM inline:" + strings.Repeat("A", 38) + "==|2^20|258:4",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
		"a=sctp-port:5000",
		"m=video 5010 RTP/AVPF 96 97",
		"c=IN IP4 239.1.2.3/127",
		"a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LADZoFBn4=,aM4PyA==",
		"a=rtpmap:97 VP8/90000", "a=rtcp-mux", "a=content:main,slides",
		"a=rtcp-fb:* nack", "a=rtcp-fb:96 ccm fir",
		"m=video 0 RTP/AVP 31",
		"m=video 5012 RTP/AVP 31", "a=inactive",
	}, "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.sections) != 2 {
		t.Fatalf("%d streams, want 2", len(d.sections))
	}
	audio, video := d.sections[0], d.sections[1]
	if audio.kind != media.KindAudio || audio.address != netip.MustParseAddr("::1") || audio.port != 5004 || audio.rtcpPort != 6000 || audio.mux() {
		t.Errorf("audio: %+v", audio)
	}
	if !slices.Equal(audio.sources, []uint32{1<<32 - 1, 7}) || audio.nack || audio.fir {
		t.Errorf("audio: %+v", audio)
	}
	if k := audio.keys; k == nil || len(k.key) != 16 || len(k.salt) != 12 || !slices.Equal(k.mki, []byte{0, 0, 1, 2}) {
		t.Errorf("keys: %+v", k)
	}
	var formats []media.EncodedFormat
	for _, p := range audio.payloads {
		f := p.format
		formats = append(formats, f)
	}
	want := []media.EncodedFormat{
		{Codec: media.Opus, Rate: 48000, Channels: 2}, {Codec: media.PCMU, Rate: 8000, Channels: 1}, {Codec: media.PCMA, Rate: 8000, Channels: 1},
		{Codec: media.G722, Rate: 16000, Channels: 1}, {}, {}, {},
	}
	if !slices.EqualFunc(formats, want, func(a, b media.EncodedFormat) bool {
		return a.Codec == b.Codec && a.Rate == b.Rate && a.Channels == b.Channels
	}) {
		t.Errorf("formats %v, want %v", formats, want)
	}
	if p := audio.payloads; p[0].clockRate != 48000 || p[3].clockRate != 8000 || !p[4].auxiliary || p[5].auxiliary || p[5].name != "G729/8000" || !p[6].auxiliary {
		t.Errorf("payloads: %+v", p)
	}
	if video.kind != media.KindScreen || video.address != netip.MustParseAddr("239.1.2.3") || !video.mux() || !video.nack || !video.fir || video.keys != nil {
		t.Errorf("video: %+v", video)
	}
	if len(video.payloads) != 2 || video.format().Codec != media.H264 || video.find(97).format.Codec != media.VP8 || video.find(0) != nil {
		t.Errorf("payloads: %+v", video.payloads)
	}
}

// A full intra request is for those who take nothing else.
func TestPLIGoesBeforeFIR(t *testing.T) {
	d, err := parse(sdp("m=video 5004 RTP/AVPF 96", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 ccm fir", "a=rtcp-fb:96 nack pli"))
	if err != nil || d.sections[0].fir || d.sections[0].nack {
		t.Errorf("%+v, %v", d, err)
	}
}

// Every mistake names its line and what is allowed, and no key is repeated.
func TestDescriptionMistakes(t *testing.T) {
	const secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
	video := func(more ...string) []byte {
		return sdp(append([]string{"m=video 5004 RTP/AVP 96", "a=rtpmap:96 H264/90000"}, more...)...)
	}
	for name, c := range map[string]struct {
		sdp  []byte
		says []string
	}{
		"empty":              {nil, []string{"v=0"}},
		"no SDP":             {[]byte("\x89PNG\r\n\x1a\n"), []string{"line 1", "v=0"}},
		"no lines":           {[]byte("v=0\nhello\n"), []string{"line 2", `"hello"`}},
		"does not begin":     {[]byte("s=x\nv=0\n"), []string{"v=0"}},
		"no media":           {sdp(), []string{"m=video 5004"}},
		"only text":          {sdp("m=text 5004 RTP/AVP 96"), []string{"no stream of audio or video"}},
		"only inactive":      {video("a=inactive"), []string{"no stream", "inactive"}},
		"media line":         {sdp("m=video 5004"), []string{"line 5", "m=video 5004 RTP/AVP 96"}},
		"port":               {sdp("m=video 70000 RTP/AVP 96"), []string{"line 5", `"70000"`, "1 to 65535"}},
		"ports":              {sdp("m=video 5004/2 RTP/AVP 96"), []string{"2 ports", "one"}},
		"no RTCP port":       {sdp("m=audio 65535 RTP/AVP 0"), []string{"65535", "a=rtcp"}},
		"transport":          {sdp("m=video 5004 UDP/TLS/RTP/SAVPF 96"), []string{"UDP/TLS/RTP/SAVPF", "RTP/AVP", "a=crypto"}},
		"payload type":       {sdp("m=video 5004 RTP/AVP 128"), []string{`"128"`, "0 to 127"}},
		"rtpmap type":        {video("a=rtpmap:x VP8/90000"), []string{"line 7", `"x"`, "0 to 127"}},
		"codec":              {sdp("m=video 5004 RTP/AVP 96", "a=rtpmap:96 JPEG2000/90000"), []string{"line 5", "JPEG2000/90000", "H264, H265, VP8, VP9, AV1"}},
		"codecs":             {sdp("m=audio 5004 RTP/AVP 18 96", "a=rtpmap:96 iLBC/8000"), []string{"payload type 18 without an rtpmap, iLBC/8000", "opus"}},
		"codec of audio":     {sdp("m=video 5004 RTP/AVP 96", "a=rtpmap:96 opus/48000/2"), []string{"opus/48000/2", "allowed for video"}},
		"no clock rate":      {sdp("m=video 5004 RTP/AVP 96", "a=rtpmap:96 VP8"), []string{"line 6", "clock rate", "VP8/90000"}},
		"clock rate":         {sdp("m=video 5004 RTP/AVP 96", "a=rtpmap:96 VP8/48000"), []string{"line 6", `"48000"`, "90000"}},
		"clock rate of AAC":  {sdp("m=audio 5004 RTP/AVP 96", "a=rtpmap:96 MPEG4-GENERIC/0/2"), []string{"line 6", `"0"`}},
		"channels":           {sdp("m=audio 5004 RTP/AVP 96", "a=rtpmap:96 PCMU/8000/9"), []string{"line 6", "9 channels"}},
		"interleaved":        {video("a=fmtp:96 packetization-mode=2"), []string{"line 7", "packetization-mode", "0, 1"}},
		"parameter sets":     {video("a=fmtp:96 sprop-parameter-sets=!"), []string{"line 7", "sprop-parameter-sets"}},
		"AAC without config": {sdp("m=audio 5004 RTP/AVP 96", "a=rtpmap:96 MPEG4-GENERIC/48000/2"), []string{"line 6"}},
		"address":            {video("c=IN IP4 example.org"), []string{"line 7", `"example.org"`, "127.0.0.1"}},
		"address family":     {video("c=IN IP6 127.0.0.1"), []string{"line 7"}},
		"address type":       {video("c=TN RFC2543 +1-201-406-4090"), []string{"line 7", "IN IP4"}},
		"addresses":          {video("c=IN IP4 239.0.0.1/127/3"), []string{"line 7", "3 addresses"}},
		"rtcp port":          {video("a=rtcp:0"), []string{"line 7", `"0"`}},
		"ssrc":               {video("a=ssrc:x cname:y"), []string{"line 7", `"x"`}},
		"same ports":         {sdp("m=audio 5004 RTP/AVP 0", "m=audio 5004 RTP/AVP 0"), []string{"line 6", "5004", "line 5"}},
		"overlapping ports":  {sdp("m=audio 5004 RTP/AVP 0", "m=audio 5005 RTP/AVP 0"), []string{"line 6", "5005", "two apart"}},
		"no key":             {sdp("m=audio 5004 RTP/SAVP 0"), []string{"line 5", "a=crypto"}},
		"suite":              {sdp("m=audio 5004 RTP/SAVP 0", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:"+secret), []string{"line 6", "F8_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"}},
		"key length":         {sdp("m=audio 5004 RTP/AVP 0", "a=crypto:1 AEAD_AES_256_GCM inline:"+secret), []string{"line 6", "30 bytes", "32 and 12"}},
		"key text":           {sdp("m=audio 5004 RTP/AVP 0", "a=crypto:1 AEAD_AES_256_GCM inline:"+secret+"!"), []string{"line 6", "base64"}},
		"key elsewhere":      {sdp("m=audio 5004 RTP/AVP 0", "a=crypto:1 AEAD_AES_256_GCM "+secret), []string{"line 6", "inline"}},
		"MKI":                {sdp("m=audio 5004 RTP/AVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+secret+"|256:1"), []string{"line 6", "256:1"}},
		"session parameter":  {sdp("m=audio 5004 RTP/AVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+secret+" UNENCRYPTED_SRTP"), []string{"line 6", "UNENCRYPTED_SRTP"}},
		"too long":           {slices.Concat(sdp(), make([]byte, maxDescription)), []string{"bytes"}},
	} {
		_, err := parse(c.sdp)
		if !errors.Is(err, ErrDescription) {
			t.Errorf("%s: error is %v, want ErrDescription", name, err)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: error does not say %q: %v", name, s, err)
			}
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error repeats the key: %v", name, err)
		}
	}
}

// FuzzDescription: nothing panics, and what is accepted can be received.
func FuzzDescription(f *testing.F) {
	f.Add(sdp("c=IN IP4 127.0.0.1", "m=video 5004 RTP/AVP 96 97", "a=rtpmap:96 H264/90000",
		"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LADZoFBn4=,aM4PyA==", "a=rtpmap:97 H265/90000", "a=fmtp:97 sprop-vps=QAE=", "a=rtcp-fb:* nack pli"))
	f.Add(sdp("m=audio 5004/1 RTP/SAVPF 0 96 97 101", "a=rtpmap:96 opus/48000/2", "a=rtpmap:101 telephone-event/8000",
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0|2^20|1:4",
		"a=rtpmap:97 MPEG4-GENERIC/44100/1", "a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=120856E500",
		"a=ssrc:5 cname:x", "a=rtcp:9 IN IP4 127.0.0.1", "m=video 5010 RTP/AVP 96", "a=rtpmap:96 AV1/90000", "a=content:slides", "a=rtcp-mux"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parse(text)
		if err != nil {
			if !errors.Is(err, ErrDescription) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		for _, s := range d.sections {
			if s.port == 0 || s.rtcpPort == 0 {
				t.Fatalf("ports %d and %d", s.port, s.rtcpPort)
			}
			if err := s.format().Validate(); err != nil {
				t.Fatal(err)
			}
			if s.keys != nil {
				if _, err := s.keys.context(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
