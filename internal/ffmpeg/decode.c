// Decoders, whose frames come out in one of media's formats.

#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/imgutils.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
#include <libyuv.h>

#include "rk.h"

struct rk_decoder {
	AVCodecContext *ctx;
	AVFrame *frame;
	rk_output out; // what frame comes out as
	int color;     // what it comes in as

	struct SwsContext *sws;
	int key[8];
	rk_buffer i420;

	SwrContext *swr;
	AVChannelLayout layout; // of the frames swr takes
	int swr_rate, swr_format;
};

void rk_decoder_free(rk_decoder *d) {
	if (!d)
		return;
	avcodec_free_context(&d->ctx);
	av_frame_free(&d->frame);
	sws_freeContext(d->sws);
	rk_buffer_free(&d->i420);
	swr_free(&d->swr);
	av_channel_layout_uninit(&d->layout);
	av_free(d);
}

static int decoder_open(rk_decoder *d, const AVCodec *codec, const rk_params *p, int threads, int64_t max_pixels) {
	d->frame = av_frame_alloc();
	d->ctx = avcodec_alloc_context3(codec);
	if (!d->frame || !d->ctx)
		return AVERROR(ENOMEM);
	int ret = avcodec_parameters_to_context(d->ctx, p->par);
	if (ret < 0)
		return ret;
	d->ctx->pkt_timebase = p->time_base;
	d->ctx->thread_count = threads;
	if (max_pixels > 0)
		d->ctx->max_pixels = max_pixels;
	return avcodec_open2(d->ctx, codec, NULL);
}

int rk_decoder_open(rk_decoder **out, const rk_params *p, int threads, int64_t max_pixels) {
	const AVCodec *codec = avcodec_find_decoder(p->par->codec_id);
	if (!codec)
		return AVERROR_DECODER_NOT_FOUND;
	rk_decoder *d = av_mallocz(sizeof *d);
	if (!d)
		return AVERROR(ENOMEM);
	int ret = decoder_open(d, codec, p, threads, max_pixels);
	if (ret < 0) {
		rk_decoder_free(d);
		return ret;
	}
	*out = d;
	return 0;
}

void rk_decoder_reset(rk_decoder *d) { avcodec_flush_buffers(d->ctx); }

int rk_decoder_send(rk_decoder *d, const AVPacket *p) { return avcodec_send_packet(d->ctx, p); }

// direct returns the format of media that is the same, or -1.
static int direct(int format) {
	switch (format) {
	case AV_PIX_FMT_YUV420P:
	case AV_PIX_FMT_YUVJ420P:
		return RK_I420;
	case AV_PIX_FMT_NV12:
		return RK_NV12;
	case AV_PIX_FMT_RGB24:
		return RK_RGB24;
	case AV_PIX_FMT_BGR24:
		return RK_BGR24;
	case AV_PIX_FMT_RGBA:
	case AV_PIX_FMT_RGB0:
		return RK_RGBA;
	case AV_PIX_FMT_BGRA:
	case AV_PIX_FMT_BGR0:
		return RK_BGRA;
	}
	return -1;
}

static int is_yuvj(int format) {
	return format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P ||
	       format == AV_PIX_FMT_YUVJ440P || format == AV_PIX_FMT_YUVJ411P;
}

static int color_of(int format, enum AVColorSpace space, enum AVColorRange range, int height) {
	if (rk_format_is_rgb(format))
		return RK_COLOR_UNKNOWN;
	int full = is_yuvj(format) || range == AVCOL_RANGE_JPEG;
	switch (space) {
	case AVCOL_SPC_BT709:
		return full ? RK_BT709_FULL : RK_BT709;
	case AVCOL_SPC_BT470BG:
	case AVCOL_SPC_SMPTE170M:
	case AVCOL_SPC_FCC:
		return full ? RK_BT601_FULL : RK_BT601;
	case AVCOL_SPC_BT2020_NCL:
	case AVCOL_SPC_BT2020_CL:
		return full ? RK_BT2020_FULL : RK_BT2020;
	default:
		break;
	}
	if (!full)
		return RK_COLOR_UNKNOWN;
	return rk_color_is_709(rk_color_resolve(RK_COLOR_UNKNOWN, height)) ? RK_BT709_FULL : RK_BT601_FULL;
}

// output_color is what a picture of that coding is handed on as: RGB that
// media does not know has to become YUV of some coding, and BT.2020 becomes
// BT.709.
static int output_color(int format, int color, int height) {
	if (color == RK_BT2020)
		return RK_BT709;
	if (color == RK_BT2020_FULL)
		return RK_BT709_FULL;
	if (direct(format) < 0 && rk_format_is_rgb(format))
		return rk_color_resolve(RK_COLOR_UNKNOWN, height);
	return color;
}

static int output_pixel(int format, int color) {
	return color < RK_BT2020 && direct(format) >= 0 ? direct(format) : RK_I420;
}

static int sample_of(int format) {
	return format == AV_SAMPLE_FMT_S16 || format == AV_SAMPLE_FMT_S16P ? RK_S16 : RK_F32;
}

static int codec_sample_format(const AVCodecParameters *p) {
	if (p->format != AV_SAMPLE_FMT_NONE)
		return p->format;
	// Devices name the codec only.
	return av_get_exact_bits_per_sample(p->codec_id) == 16 ? AV_SAMPLE_FMT_S16 : AV_SAMPLE_FMT_FLT;
}

// rk_params_output foretells what a stream will be decoded to.
void rk_params_output(const AVCodecParameters *p, rk_output *o) {
	memset(o, 0, sizeof *o);
	if (p->codec_type == AVMEDIA_TYPE_VIDEO) {
		int color = color_of(p->format, p->color_space, p->color_range, p->height);
		o->width = p->width;
		o->height = p->height;
		o->pixel = output_pixel(p->format, color);
		o->color = output_color(p->format, color, p->height);
	} else if (p->codec_type == AVMEDIA_TYPE_AUDIO) {
		o->rate = p->sample_rate;
		o->channels = FFMIN(p->ch_layout.nb_channels, 2);
		o->sample = sample_of(codec_sample_format(p));
	}
}

int rk_decoder_receive(rk_decoder *d, rk_output *out) {
	AVFrame *f = d->frame;
	rk_output *o = &d->out;
	int ret = avcodec_receive_frame(d->ctx, f);
	if (ret < 0)
		return ret;
	memset(o, 0, sizeof *o);
	o->pts = f->best_effort_timestamp;
	if (d->ctx->codec_type == AVMEDIA_TYPE_VIDEO) {
		d->color = color_of(f->format, f->colorspace, f->color_range, f->height);
		o->width = f->width;
		o->height = f->height;
		o->color = output_color(f->format, d->color, f->height);
		o->pixel = output_pixel(f->format, d->color);
	} else {
		o->rate = f->sample_rate;
		o->channels = FFMIN(f->ch_layout.nb_channels, 2);
		o->sample = sample_of(f->format);
		o->frames = f->nb_samples;
	}
	*out = *o;
	return 0;
}

// quick converts what cameras often send, with libyuv. It returns 1 if the
// format is none of those.
static int quick(const AVFrame *f, uint8_t *const d[3], const int n[3]) {
	const uint8_t *const *s = (const uint8_t *const *)f->data;
	const int *m = f->linesize;
	switch (f->format) {
	case AV_PIX_FMT_YUYV422:
		return YUY2ToI420(s[0], m[0], d[0], n[0], d[1], n[1], d[2], n[2], f->width, f->height);
	case AV_PIX_FMT_UYVY422:
		return UYVYToI420(s[0], m[0], d[0], n[0], d[1], n[1], d[2], n[2], f->width, f->height);
	case AV_PIX_FMT_YUV422P:
	case AV_PIX_FMT_YUVJ422P:
		return I422ToI420(s[0], m[0], s[1], m[1], s[2], m[2], d[0], n[0], d[1], n[1], d[2], n[2], f->width, f->height);
	case AV_PIX_FMT_YUV444P:
	case AV_PIX_FMT_YUVJ444P:
		return I444ToI420(s[0], m[0], s[1], m[1], s[2], m[2], d[0], n[0], d[1], n[1], d[2], n[2], f->width, f->height);
	}
	return 1;
}

// slow converts anything, by way of a padded buffer: swscale may write beyond
// the end of a row.
static int slow(rk_decoder *d, uint8_t *to[4], int strides[4]) {
	AVFrame *f = d->frame;
	uint8_t *data[4];
	int n[4];
	int size = av_image_get_buffer_size(AV_PIX_FMT_YUV420P, f->width, f->height, 64);
	if (size < 0)
		return size;
	int ret = rk_buffer_need(&d->i420, size);
	if (ret < 0)
		return ret;
	if ((ret = av_image_fill_arrays(data, n, d->i420.data, AV_PIX_FMT_YUV420P, f->width, f->height, 64)) < 0)
		return ret;
	int from = rk_color_resolve(d->color, f->height), color = rk_color_resolve(d->out.color, f->height);
	ret = rk_sws_update(&d->sws, d->key, f->width, f->height, f->format, from,
	                    f->width, f->height, AV_PIX_FMT_YUV420P, color);
	if (ret < 0)
		return ret;
	ret = sws_scale(d->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, data, n);
	if (ret < 0)
		return ret;
	const uint8_t *src[4] = {data[0], data[1], data[2]};
	av_image_copy(to, strides, src, n, AV_PIX_FMT_YUV420P, f->width, f->height);
	return 0;
}

// rk_decoder_picture copies the picture just received.
int rk_decoder_picture(rk_decoder *d, uint8_t *p0, int s0, uint8_t *p1, int s1, uint8_t *p2, int s2) {
	AVFrame *f = d->frame;
	uint8_t *to[4] = {p0, p1, p2};
	int strides[4] = {s0, s1, s2}, ret = 0;
	if (d->color >= RK_BT2020) {
		ret = slow(d, to, strides);
	} else if (direct(f->format) >= 0) {
		const uint8_t *src[4] = {f->data[0], f->data[1], f->data[2]};
		av_image_copy(to, strides, src, f->linesize, f->format, f->width, f->height);
	} else if ((ret = quick(f, to, strides)) != 0) {
		ret = slow(d, to, strides);
	}
	av_frame_unref(f);
	return ret;
}

// mixer sets up the conversion of the frame's audio to interleaved, and of
// more than two channels to stereo, with FFmpeg's usual matrix.
static int mixer(rk_decoder *d) {
	AVFrame *f = d->frame;
	if (d->swr && d->swr_format == f->format && d->swr_rate == f->sample_rate &&
	    !av_channel_layout_compare(&d->layout, &f->ch_layout))
		return 0;
	swr_free(&d->swr);
	AVChannelLayout in = {0}, out = {0};
	av_channel_layout_default(&out, d->out.channels);
	// One and two channels are passed through whatever they are called.
	int n = f->ch_layout.nb_channels, ret = 0;
	if (n <= 2 || f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
		av_channel_layout_default(&in, n);
	else
		ret = av_channel_layout_copy(&in, &f->ch_layout);
	if (ret >= 0)
		ret = av_channel_layout_copy(&d->layout, &f->ch_layout);
	if (ret >= 0)
		ret = swr_alloc_set_opts2(&d->swr, &out, d->out.sample == RK_S16 ? AV_SAMPLE_FMT_S16 : AV_SAMPLE_FMT_FLT,
		                          f->sample_rate, &in, f->format, f->sample_rate, 0, NULL);
	if (ret >= 0)
		ret = swr_init(d->swr);
	d->swr_format = f->format;
	d->swr_rate = f->sample_rate;
	if (ret < 0)
		swr_free(&d->swr);
	av_channel_layout_uninit(&in);
	av_channel_layout_uninit(&out);
	return ret;
}

// rk_decoder_pcm copies the audio just received.
int rk_decoder_pcm(rk_decoder *d, uint8_t *to) {
	AVFrame *f = d->frame;
	int ret = mixer(d);
	if (ret >= 0)
		ret = swr_convert(d->swr, &to, d->out.frames, (const uint8_t **)f->extended_data, f->nb_samples);
	if (ret >= 0)
		ret = ret == d->out.frames ? 0 : AVERROR_BUG;
	av_frame_unref(f);
	return ret;
}
