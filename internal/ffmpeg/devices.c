// What there is to capture from.

#include <libavdevice/avdevice.h>

#include "rk.h"

int rk_devices_list(const char *format, AVDictionary *options, struct AVDeviceInfoList **out) {
	const AVInputFormat *f = av_find_input_format(format);
	if (!f)
		return AVERROR_DEMUXER_NOT_FOUND;
	return avdevice_list_input_sources(f, NULL, options, out);
}
