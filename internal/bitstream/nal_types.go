package bitstream

// NAL unit types of H.264, ISO/IEC 14496-10, table 7-1. Those from
// AVCFirstVCL to AVCLastVCL hold coded picture data.
const (
	AVCFirstVCL  = 1
	AVCPartition = 2 // data partition A, which has the slice header; B and C follow
	AVCIDR       = 5
	AVCLastVCL   = 5
	AVCSEI       = 6
	AVCSPSType   = 7
	AVCPPSType   = 8
	AVCAUD       = 9
	AVCFiller    = 12
)

// AVCType returns the type of a NAL unit of H.264, 0 for an empty one.
func AVCType(nal []byte) int {
	if len(nal) == 0 {
		return 0
	}
	return int(nal[0] & 0x1F)
}

// NAL unit types of HEVC, ISO/IEC 23008-2, table 7-1. Those up to HEVCLastVCL
// hold coded picture data, those from HEVCFirstIRAP to HEVCLastIRAP of pictures
// at which decoding can begin.
const (
	HEVCFirstIRAP   = 16
	HEVCLastIRAP    = 23
	HEVCLastVCL     = 31
	HEVCVPSType     = 32
	HEVCSPSType     = 33
	HEVCPPSType     = 34
	HEVCAUD         = 35
	HEVCFiller      = 38
	HEVCPrefixSEI   = 39
	hevcLastNonIRAP = 15 // below it even types are sub-layer non-reference pictures
)

// HEVCType returns the type of a NAL unit of HEVC, -1 for what has no whole
// header, which is two bytes.
func HEVCType(nal []byte) int {
	if len(nal) < 2 {
		return -1
	}
	return int(nal[0] >> 1 & 0x3F)
}

// hevcLayer is nuh_layer_id; 0 is the picture that every decoder shows.
func hevcLayer(nal []byte) int { return int(nal[0]&1)<<5 | int(nal[1]>>3) }

// hevcTemporal is the temporal id, 0 of what has a forbidden 0.
func hevcTemporal(nal []byte) int { return max(int(nal[1]&7)-1, 0) }
