package av

// decoderPreroll is how many packets of audio a decoder wants to have seen
// before the first one that is heard: one for AAC, whose frames overlap; 80 ms
// for Opus, four packets of 20 ms (RFC 7845 section 4.6).
const decoderPreroll = 4

// trim drops of the packets that were held from before the origin those that
// nobody needs. What stays has times before the origin, which the container's
// edit list hides, if it has such:
//
//   - of audio the decoder's preroll, so that the first sample is whole;
//   - of pictures those since the last keyframe, to decode from; without edit
//     lists each picture that might be the first is one.
func trim(held []packet, editLists bool) []packet {
	preroll := 0
	if editLists {
		preroll = decoderPreroll
	}
	begin := map[*stream]int{} // index of the first packet to keep
	audio := map[*stream][]int{}
	for i, p := range held {
		s := p.stream
		if _, seen := begin[s]; !seen {
			begin[s] = i
		}
		if p.data.PTS() > s.origin {
			continue
		}
		if s.isAudio() {
			if audio[s] = append(audio[s], i); len(audio[s]) > preroll {
				begin[s] = audio[s][len(audio[s])-preroll-1]
			}
			continue
		}
		if p.data.IsKey() {
			begin[s] = i
		}
	}
	kept := held[:0]
	for i, p := range held {
		if i < begin[p.stream] {
			p.data.Free()
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

func (s *stream) isAudio() bool { return s.params.Rate() > 0 }
