// What a stream is: AVCodecParameters with the time base its packets use.

#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/mem.h>

#include "rk.h"

rk_params *rk_params_new(void) {
	rk_params *p = av_mallocz(sizeof *p);
	if (p && !(p->par = avcodec_parameters_alloc()))
		av_freep(&p);
	if (p)
		p->frame_rate = (AVRational){0, 1};
	return p;
}

void rk_params_free(rk_params *p) {
	if (!p)
		return;
	avcodec_parameters_free(&p->par);
	av_free(p);
}

rk_params *rk_params_of_context(const AVCodecContext *ctx) {
	rk_params *p = rk_params_new();
	if (!p)
		return NULL;
	if (avcodec_parameters_from_context(p->par, ctx) < 0) {
		rk_params_free(p);
		return NULL;
	}
	p->time_base = ctx->time_base;
	if (ctx->codec_type == AVMEDIA_TYPE_VIDEO)
		p->frame_rate = ctx->framerate;
	return p;
}

rk_params *rk_params_of_stream(const AVStream *st) {
	rk_params *p = rk_params_new();
	if (!p)
		return NULL;
	if (avcodec_parameters_copy(p->par, st->codecpar) < 0) {
		rk_params_free(p);
		return NULL;
	}
	p->time_base = st->time_base;
	if (st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO)
		p->frame_rate = st->avg_frame_rate;
	return p;
}

// rk_params_set takes the name of a codec, such as h264, or of an encoder.
int rk_params_set(rk_params *p, const char *codec, const uint8_t *extra, int extra_size) {
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(codec);
	const AVCodec *encoder = d ? NULL : avcodec_find_encoder_by_name(codec);
	if (encoder)
		d = avcodec_descriptor_get(encoder->id);
	if (!d)
		return AVERROR_DECODER_NOT_FOUND;
	p->par->codec_id = d->id;
	p->par->codec_type = d->type;
	if (extra_size > 0) {
		if (!(p->par->extradata = av_mallocz(extra_size + AV_INPUT_BUFFER_PADDING_SIZE)))
			return AVERROR(ENOMEM);
		memcpy(p->par->extradata, extra, extra_size);
		p->par->extradata_size = extra_size;
	}
	return 0;
}

void rk_params_set_video(rk_params *p, int width, int height, int color) {
	p->par->width = width;
	p->par->height = height;
	p->par->format = AV_PIX_FMT_YUV420P;
	if (color == RK_COLOR_UNKNOWN)
		return; // the stream itself may say
	p->par->color_range = rk_color_is_full(color) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	p->par->color_space = rk_color_is_709(color) ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
	p->par->color_primaries = AVCOL_PRI_BT709;
	p->par->color_trc = AVCOL_TRC_BT709;
}

void rk_params_set_audio(rk_params *p, int rate, int channels, int frame_size, int padding) {
	p->par->sample_rate = rate;
	av_channel_layout_default(&p->par->ch_layout, channels);
	p->par->frame_size = frame_size;
	p->par->initial_padding = padding;
}

// rk_packet_fill makes a packet a copy of data.
int rk_packet_fill(AVPacket *p, const uint8_t *data, int size) {
	av_packet_unref(p);
	int ret = av_new_packet(p, size);
	if (ret >= 0 && size > 0)
		memcpy(p->data, data, size);
	return ret;
}
