package bitstream

// AACSilence returns a raw frame of AAC that decodes to silence in a stream
// with this AudioSpecificConfig. ok is false where none is known: for other
// profiles than LC, and for channels by a program config element or beyond 7.1.
//
// It is a raw_data_block (ISO/IEC 14496-3, 4.4.2.1) whose channels have one long
// window and no scale factor bands, so no coefficients: what sounded before
// fades with the window's slope, half a frame into this one.
func AACSilence(config []byte) (frame []byte, ok bool) {
	c, err := parseAAC(config)
	if err != nil || c.object != aacLC || c.rate != c.coreRate || c.parametric {
		return nil, false
	}
	elements := aacElements(c.layout)
	if elements == "" {
		return nil, false
	}
	var w bitWriter
	const single, pair, bass = 0, 1, 3 // id_syn_ele
	tags := map[rune]uint32{}          // element_instance_tag counts elements of a kind
	for _, e := range elements {
		switch e {
		case 'S':
			w.put(single, 3)
			w.put(tags[e], 4)
			w.silentChannel(true)
		case 'P':
			w.put(pair, 3)
			w.put(tags[e], 4)
			w.put(1, 1) // common_window
			w.silentWindow()
			w.put(0, 2) // ms_mask_present
			w.silentChannel(false)
			w.silentChannel(false)
		case 'B':
			w.put(bass, 3)
			w.put(tags[e], 4)
			w.silentChannel(true)
		}
		tags[e]++
	}
	const end = 7
	w.put(end, 3)
	return w.data, true
}

// aacElements are the syntactic elements of a channel configuration, table 1.19:
// a Single channel, a Pair, the Bass.
func aacElements(layout uint32) string {
	elements := [...]string{"", "S", "P", "SP", "SPS", "SPP", "SPPB", "SPPPB"}
	if int(layout) >= len(elements) {
		return ""
	}
	return elements[layout]
}

// A bitWriter appends big-endian bit fields.
type bitWriter struct {
	data []byte
	n    int // bits
}

func (w *bitWriter) put(v uint32, bits int) {
	for i := bits - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.n/8] |= byte(v>>i&1) << (7 - w.n%8)
		w.n++
	}
}

// silentChannel is an individual_channel_stream, 4.4.2.7, with its ics_info or
// with the one it shares.
func (w *bitWriter) silentChannel(window bool) {
	w.put(0, 8) // global_gain
	if window {
		w.silentWindow()
	}
	w.put(0, 3) // pulse_data_present, tns_data_present, gain_control_data_present
}

// silentWindow is an ics_info: ics_reserved_bit 1 bit, window_sequence 2 (one
// long window), window_shape 1, max_sfb 6 (no bands), predictor_data_present 1.
func (w *bitWriter) silentWindow() { w.put(0, 1+2+1+6+1) }
