package mp4

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// golden makes bytes of a text with comments and spaces.
func golden(t testing.TB, text string) []byte {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		all.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(all.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same fails the test where bytes differ, and shows where.
func same(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%swant\n%s", hex.Dump(got), hex.Dump(want))
	}
}

func written(t testing.TB, b *boxBuffer) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.writeTo(&out); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != b.size() {
		t.Errorf("%d bytes, announced %d", out.Len(), b.size())
	}
	return out.Bytes()
}

// Two pictures with an offset between decoding and showing, a gap, two more:
//
//	stts  3000, 9000, 3000 2x
//	ctts  3000, 6000, 0 2x
//	stss  1, 3
//	stsc  chunk 1 has 2 samples, chunk 2 has 2 of the second entry
//	stsz  16, 17, 18, 19
//	stco  4096, 8192, both moved by 256
func TestTablesOfPictures(t *testing.T) {
	var x index
	x.addChunk(4096, 2, 1)
	x.add(indexSample{dts: -3000, offset: 3000, duration: 3000, size: 16, count: 1, sync: true})
	x.add(indexSample{dts: 0, offset: 6000, duration: 3000, size: 17, count: 1})
	x.addChunk(8192, 2, 2)
	x.add(indexSample{dts: 9000, duration: 3000, size: 18, count: 1, sync: true})
	x.add(indexSample{dts: 12000, duration: 3000, size: 19, count: 1})
	if x.end() != 15000 || x.bytes != 70 {
		t.Errorf("ends at %d with %d bytes", x.end(), x.bytes)
	}
	var b boxBuffer
	x.tables(&b, 256)
	same(t, written(t, &b), golden(t, `
		00000028 73747473 00000000 00000003 00000001 00000bb8 00000001 00002328 00000002 00000bb8
		00000028 63747473 00000000 00000003 00000001 00000bb8 00000001 00001770 00000002 00000000
		00000018 73747373 00000000 00000002 00000001 00000003
		00000028 73747363 00000000 00000002 00000001 00000002 00000001 00000002 00000002 00000002
		00000024 7374737a 00000000 00000000 00000004 00000010 00000011 00000012 00000013
		00000018 7374636f 00000000 00000002 00001100 00002100`))
}

// Frames of PCM are samples of their own without a word each in the tables.
// Two lots follow one another, before the third there is a gap of 10 frames,
// which the frame before it takes.
//
//	stts  199 of 1, 1 of 11, 100 of 1
//	stsz  all of 4 bytes
//	co64  beyond 4 GiB
func TestTablesOfPCM(t *testing.T) {
	var x index
	for i, at := range []int64{0, 100, 210} {
		x.addChunk(1<<32+int64(i)*400, 100, 1)
		x.add(indexSample{dts: at, duration: 1, size: 4, count: 100, sync: true})
	}
	var b boxBuffer
	x.tables(&b, 0)
	same(t, written(t, &b), golden(t, `
		00000028 73747473 00000000 00000003 000000c7 00000001 00000001 0000000b 00000064 00000001
		0000001c 73747363 00000000 00000001 00000001 00000064 00000001
		00000014 7374737a 00000000 00000004 0000012c
		00000028 636f3634 00000000 00000003 0000000100000000 0000000100000190 0000000100000320`))
}

// Sync samples only at the beginning, early pictures, and a track without any.
func TestTablesCorners(t *testing.T) {
	var x, none index
	x.addChunk(64, 3, 1)
	x.add(indexSample{dts: 0, offset: -1, duration: 1, size: 5, count: 1, sync: true})
	x.add(indexSample{dts: 1, offset: -1, duration: 1, size: 5, count: 1, sync: true})
	x.add(indexSample{dts: 2, offset: -1, duration: 1, size: 5, count: 1})
	var b boxBuffer
	x.tables(&b, 0)
	none.tables(&b, 0)
	same(t, written(t, &b), golden(t, `
		00000018 73747473 00000000 00000001 00000003 00000001
		00000018 63747473 01000000 00000001 00000003 ffffffff // version 1: signed
		00000018 73747373 00000000 00000002 00000001 00000002
		0000001c 73747363 00000000 00000001 00000001 00000003 00000001
		00000014 7374737a 00000000 00000005 00000003
		00000014 7374636f 00000000 00000001 00000040
		00000010 73747473 00000000 00000000
		00000010 73747363 00000000 00000000
		00000014 7374737a 00000000 00000000 00000000
		00000010 7374636f 00000000 00000000`))
	if got := x.encodedBytes(); got < 24*3+28+20+20 || got > 400 {
		t.Errorf("estimated at %d", got)
	}
}

// A day of eight cameras with irregular pictures and eight voices has to fit
// into 256 MiB. An hour of each is a 24th of that.
func TestIndexMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var camera, voice index
	dts := int64(0)
	for i := range 30 * 3600 {
		if i%15 == 0 {
			camera.addChunk(int64(i)*4000, 15, 1)
		}
		camera.add(indexSample{dts: dts, duration: 3000, size: 1000 + r.Int64N(30_000), count: 1, sync: i%60 == 0})
		dts += 2000 + r.Int64N(2000)
	}
	for i := range 47 * 3600 {
		if i%24 == 0 {
			voice.addChunk(int64(i)*4000, 24, 1)
		}
		voice.add(indexSample{dts: int64(i) * 1024, duration: 1024, size: 300 + r.Int64N(100), count: 1, sync: true})
	}
	perPicture := float64(camera.memory()) / float64(camera.samples)
	perPacket := float64(voice.memory()) / float64(voice.samples)
	t.Logf("%.2f bytes per picture, %.2f per packet", perPicture, perPacket)
	if day := 24 * 8 * (camera.memory() + voice.memory()); day > 256<<20 {
		t.Errorf("a day of 8 cameras and 8 voices takes %d MiB", day>>20)
	}
	var b boxBuffer
	camera.tables(&b, 0)
	if got, want := camera.encodedBytes(), b.size(); got < want-200 || got > want+want/2 {
		t.Errorf("tables estimated at %d, are %d", got, want)
	}
}

func BenchmarkIndexHour(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		var x index
		for i := range int64(30 * 3600) {
			if i%15 == 0 {
				x.addChunk(i*4000, 15, 1)
			}
			x.add(indexSample{dts: i*3000 + i%7, duration: 3000, size: 1000 + i%9000, count: 1, sync: i%60 == 0})
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(30*3600)/float64(time.Nanosecond), "ns/sample")
}
