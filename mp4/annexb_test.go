package mp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// byteStream puts a start code before each NAL unit.
func byteStream(startCode string, nals ...[]byte) []byte {
	var b []byte
	for _, n := range nals {
		b = append(append(b, unhex(startCode)...), n...)
	}
	return b
}

// lengths puts a length before each NAL unit.
func lengths(nals ...[]byte) []byte {
	var b []byte
	for _, n := range nals {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(n))), n...)
	}
	return b
}

func TestAppendNALs(t *testing.T) {
	avc, hevc := testAVC(), testHEVC()
	sps, pps := avc.SPS[0], avc.PPS[0]
	aud, sei, idr, slice, filler := unhex("0910"), unhex("0605ff80"), unhex("658880010203"), unhex("41010000030080"), unhex("0cffff80")
	otherPPS := unhex("68ebe3cb22c1")
	hAUD, hSEI, hIDR := unhex("460150"), unhex("4e0105ff80"), unhex("2601aabb")
	avcB, hevcB := AVC{SPS: avc.SPS, PPS: avc.PPS, AnnexB: true}, HEVC{VPS: hevc.VPS, SPS: hevc.SPS, PPS: hevc.PPS, AnnexB: true}
	tests := []struct {
		name       string
		codec      Codec
		data, want []byte
	}{
		{"start codes of 3", avcB, byteStream("000001", idr), lengths(idr)},
		{"start codes of 4", avcB, byteStream("00000001", idr, slice), lengths(idr, slice)},
		{"zeros all around", avcB, append(byteStream("0000000000000001", idr, slice), 0, 0, 0, 0), lengths(idr, slice)},
		{"both kinds", avcB, append(byteStream("000001", idr), byteStream("00000001", slice)...), lengths(idr, slice)},
		{"what the entry has is left out", avcB, byteStream("00000001", aud, sps, pps, sei, idr, filler), lengths(aud, sei, idr)},
		{"another PPS stays", avcB, byteStream("00000001", otherPPS, idr), lengths(otherPPS, idr)},
		{"another SPS stays", avcB, byteStream("00000001", append(bytes.Clone(sps), 1), idr), lengths(append(bytes.Clone(sps), 1), idr)},
		{"empty NAL units are left out", avcB, byteStream("000001", nil, idr, nil), lengths(idr)},
		{"with lengths", avc, lengths(aud, sps, pps, sei, idr), lengths(aud, sei, idr)},
		{"with lengths, nothing to leave out", avc, lengths(sei, idr, slice), lengths(sei, idr, slice)},
		{"H.265", hevcB, byteStream("00000001", hAUD, hevc.VPS[0], hevc.SPS[0], hevc.PPS[0], hSEI, hIDR), lengths(hAUD, hSEI, hIDR)},
		{"H.265 with lengths", hevc, lengths(hAUD, hevc.VPS[0], hSEI, hIDR), lengths(hAUD, hSEI, hIDR)},
		{"sets are kept", AVC{SPS: avc.SPS, PPS: avc.PPS, KeepSets: true}, lengths(sps, pps, idr, filler), lengths(sps, pps, idr)},
		{"H.265, sets are kept", HEVC{VPS: hevc.VPS, SPS: hevc.SPS, PPS: hevc.PPS, KeepSets: true},
			lengths(hevc.VPS[0], hevc.SPS[0], hIDR), lengths(hevc.VPS[0], hevc.SPS[0], hIDR)},
		{"H.265, header cut", hevcB, byteStream("000001", unhex("26"), hIDR), lengths(hIDR)},
	}
	for _, tt := range tests {
		dst := []byte("before")
		got, err := tt.codec.appendSample(dst, tt.data)
		if want := append([]byte("before"), tt.want...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: % x, %v; want % x", tt.name, got, err, want)
		}
	}
}

func TestAppendNALsRefuses(t *testing.T) {
	avc, hevc := testAVC(), testHEVC()
	avcB := AVC{SPS: avc.SPS, PPS: avc.PPS, AnnexB: true}
	idr := unhex("658880010203")
	tests := []struct {
		name  string
		codec Codec
		data  []byte
	}{
		{"nothing", avcB, nil},
		{"zeros only", avcB, make([]byte, 9)},
		{"no start code at the beginning", avcB, append([]byte{9}, byteStream("000001", idr)...)},
		{"one zero in the start code", avcB, append(unhex("0001"), idr...)},
		{"no picture", avcB, byteStream("00000001", avc.SPS[0], avc.PPS[0], unhex("0605ff80"))},
		{"lengths where start codes should be", avcB, lengths(idr)},
		{"start codes where lengths should be", avc, byteStream("000001", idr)},
		{"length beyond the end", avc, lengths(idr)[:8]},
		{"length one beyond the end", avc, lengths(idr)[:len(lengths(idr))-1]},
		{"length cut", avc, append(lengths(idr), 0, 0, 1)},
		{"no picture in H.265", hevc, lengths(hevc.SPS[0])},
		{"a picture's header cut in H.265", hevc, lengths([]byte{0x26})},
	}
	for _, tt := range tests {
		got, err := tt.codec.appendSample([]byte("before"), tt.data)
		if !errors.Is(err, ErrSample) || string(got) != "before" {
			t.Errorf("%s: % x, %v; want nothing appended and ErrSample", tt.name, got, err)
		}
	}
}

// accessUnit is a picture of about size bytes in four slices, with all that
// comes before a key frame.
func accessUnit(c AVC, size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	nals := [][]byte{unhex("0910"), c.SPS[0], c.PPS[0], unhex("0605ff80")}
	for range 4 {
		slice := make([]byte, size/4)
		for i := range slice {
			slice[i] = byte(random.IntN(256))
			// Emulation prevention leaves no two zeros together but before a 3.
			if i > 0 && slice[i-1] == 0 {
				slice[i] |= 4
			}
		}
		slice[len(slice)-1] = 0x80
		slice[0] = 0x65
		nals = append(nals, slice)
	}
	return byteStream("00000001", nals...)
}

func TestAppendSampleAllocatesNothing(t *testing.T) {
	avc := testAVC()
	avc.AnnexB = true
	unit := accessUnit(avc, 10000)
	codecs := []struct {
		codec Codec
		data  []byte
	}{
		{avc, unit},
		{AV1{}, unhex("1200" + "3203aabbcc")},
		{VP9{}, unit}, {AAC{}, unit}, {PCM{Channels: 1, Bits: 16}, unit[:100]}, {Text{}, []byte("Añna")},
	}
	dst := make([]byte, 0, 2*len(unit))
	for _, tt := range codecs {
		allocs := testing.AllocsPerRun(10, func() {
			if _, err := tt.codec.appendSample(dst, tt.data); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%T: %v allocations for a sample", tt.codec, allocs)
		}
	}
}

func BenchmarkAppendSampleAnnexB(b *testing.B) {
	avc := testAVC()
	avc.AnnexB = true
	unit := accessUnit(avc, 40000)
	var codec Codec = avc
	dst := make([]byte, 0, 2*len(unit))
	b.SetBytes(int64(len(unit)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.appendSample(dst, unit); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzAppendSample(f *testing.F) {
	avc, hevc := testAVC(), testHEVC()
	f.Add(accessUnit(avc, 64))
	f.Add(lengths(unhex("0910"), unhex("6588")))
	f.Add(byteStream("000001", hevc.VPS[0], unhex("2601aabb")))
	f.Add(unhex("12003203aabbcc"))
	f.Add([]byte("text"))
	avcB, hevcB := avc, hevc
	avcB.AnnexB, hevcB.AnnexB = true, true
	codecs := []Codec{avc, avcB, hevc, hevcB, AV1{}, VP9{}, PCM{Channels: 2, Bits: 24}, Text{}}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range codecs {
			got, err := c.appendSample([]byte("x"), data)
			switch {
			case err != nil && (!errors.Is(err, ErrSample) || string(got) != "x"):
				t.Errorf("%T: % x, %v", c, got, err)
			case err == nil:
				storedNALs(t, c, got[1:])
			}
		}
	})
}

// storedNALs checks that a sample of NAL units stays as it is when it is
// stored again.
func storedNALs(t *testing.T, c Codec, stored []byte) {
	t.Helper()
	switch v := c.(type) {
	case AVC:
		v.AnnexB = false
		c = v
	case HEVC:
		v.AnnexB = false
		c = v
	case AV1:
	default:
		return
	}
	again, err := c.appendSample(nil, stored)
	if err != nil || !bytes.Equal(again, stored) {
		t.Errorf("%T: % x stored again is % x, %v", c, stored, again, err)
	}
}
