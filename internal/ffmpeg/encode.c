// Encoders.

#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/buffer.h>
#include <libavutil/channel_layout.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "rk.h"

struct rk_encoder {
	AVCodecContext *ctx;
	AVFrame *audio;    // NULL in an encoder of pictures
	AVFrame *borrowed; // for pictures in the caller's memory; made when first wanted
};

int rk_has_encoder(const char *name) { return avcodec_find_encoder_by_name(name) != NULL; }

AVCodecContext *rk_encoder_context(rk_encoder *e) { return e->ctx; }

void rk_encoder_free(rk_encoder *e) {
	if (!e)
		return;
	avcodec_free_context(&e->ctx);
	av_frame_free(&e->audio);
	av_frame_free(&e->borrowed);
	av_free(e);
}

static int encoder_alloc(rk_encoder **out, const char *name, enum AVMediaType type) {
	const AVCodec *codec = avcodec_find_encoder_by_name(name);
	if (!codec || codec->type != type)
		return AVERROR_ENCODER_NOT_FOUND;
	rk_encoder *e = av_mallocz(sizeof *e);
	if (!e)
		return AVERROR(ENOMEM);
	if (!(e->ctx = avcodec_alloc_context3(codec))) {
		av_free(e);
		return AVERROR(ENOMEM);
	}
	e->ctx->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	*out = e;
	return 0;
}

// default_options sets what every caller wants and may still override.
static int default_options(AVCodecContext *ctx, AVDictionary **options) {
	// A forced keyframe must be one from which decoding can start.
	if (ctx->codec->priv_class && av_opt_find(ctx->priv_data, "forced-idr", NULL, 0, 0)) {
		int ret = av_dict_set(options, "forced-idr", "1", AV_DICT_DONT_OVERWRITE);
		if (ret < 0)
			return ret;
	}
	// x265 prints to stderr by itself.
	if (!strcmp(ctx->codec->name, "libx265")) {
		const AVDictionaryEntry *own = av_dict_get(*options, "x265-params", NULL, 0);
		char *all = av_asprintf("log-level=none%s%s", own ? ":" : "", own ? own->value : "");
		if (!all)
			return AVERROR(ENOMEM);
		return av_dict_set(options, "x265-params", all, AV_DICT_DONT_STRDUP_VAL);
	}
	return 0;
}

int rk_video_encoder_open(rk_encoder **out, const char *codec, int width, int height, double fps, int color,
                          int64_t bitrate, int gop, int threads, int bframes, AVDictionary **options) {
	rk_encoder *e;
	int ret = encoder_alloc(&e, codec, AVMEDIA_TYPE_VIDEO);
	if (ret < 0)
		return ret;
	AVCodecContext *ctx = e->ctx;
	ctx->width = width;
	ctx->height = height;
	ctx->pix_fmt = AV_PIX_FMT_YUV420P;
	ctx->sample_aspect_ratio = (AVRational){1, 1};
	ctx->time_base = (AVRational){1, 90000};
	// Without it encoders take the time base for the rate: x264 would write
	// level 6.2 for "90000 pictures per second" and misjudge the bit rate.
	ctx->framerate = av_d2q(fps, 1001000);
	ctx->color_range = rk_color_is_full(color) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	ctx->colorspace = rk_color_is_709(color) ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
	ctx->color_primaries = AVCOL_PRI_BT709;
	ctx->color_trc = AVCOL_TRC_BT709;
	ctx->thread_count = threads;
	ctx->max_b_frames = bframes;
	if (bitrate > 0)
		ctx->bit_rate = bitrate;
	if (gop > 0)
		ctx->gop_size = gop;
	if ((ret = default_options(ctx, options)) >= 0)
		ret = avcodec_open2(ctx, ctx->codec, options);
	if (ret < 0) {
		rk_encoder_free(e);
		return ret;
	}
	*out = e;
	return 0;
}

// sample_format is a table because the codec's own list is read in different
// ways in different versions of FFmpeg.
static enum AVSampleFormat sample_format(const char *codec) {
	static const char *const planar[] = {"aac", "libmp3lame", "libvorbis", "opus", "ac3", "eac3", "vorbis"};
	static const char *const s16[] = {"flac", "pcm_s16le", "pcm_s16be", "libfdk_aac", "alac"};
	for (size_t i = 0; i < FF_ARRAY_ELEMS(planar); i++)
		if (!strcmp(codec, planar[i]))
			return AV_SAMPLE_FMT_FLTP;
	for (size_t i = 0; i < FF_ARRAY_ELEMS(s16); i++)
		if (!strcmp(codec, s16[i]))
			return strcmp(codec, "alac") ? AV_SAMPLE_FMT_S16 : AV_SAMPLE_FMT_S16P;
	return AV_SAMPLE_FMT_FLT;
}

static int audio_frame(rk_encoder *e) {
	AVCodecContext *ctx = e->ctx;
	if (!(e->audio = av_frame_alloc()))
		return AVERROR(ENOMEM);
	if (ctx->frame_size <= 0)
		return 0; // any number of samples: the buffer is made when it is known
	e->audio->format = ctx->sample_fmt;
	e->audio->sample_rate = ctx->sample_rate;
	e->audio->nb_samples = ctx->frame_size;
	int ret = av_channel_layout_copy(&e->audio->ch_layout, &ctx->ch_layout);
	return ret < 0 ? ret : av_frame_get_buffer(e->audio, 0);
}

int rk_audio_encoder_open(rk_encoder **out, const char *codec, int rate, int channels, int64_t bitrate,
                          AVDictionary **options) {
	rk_encoder *e;
	int ret = encoder_alloc(&e, codec, AVMEDIA_TYPE_AUDIO);
	if (ret < 0)
		return ret;
	AVCodecContext *ctx = e->ctx;
	ctx->sample_rate = rate;
	ctx->time_base = (AVRational){1, rate};
	ctx->sample_fmt = sample_format(codec);
	av_channel_layout_default(&ctx->ch_layout, channels);
	if (bitrate > 0)
		ctx->bit_rate = bitrate;
	if ((ret = avcodec_open2(ctx, ctx->codec, options)) >= 0)
		ret = audio_frame(e);
	if (ret < 0) {
		rk_encoder_free(e);
		return ret;
	}
	*out = e;
	return 0;
}

int rk_encoder_send_video(rk_encoder *e, rk_frame *frame, int64_t pts, int key) {
	AVFrame *f = rk_frame_av(frame);
	if (f->width != e->ctx->width || f->height != e->ctx->height)
		return AVERROR(EINVAL);
	f->pts = pts;
	f->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	return avcodec_send_frame(e->ctx, f);
}

// rk_encoder_copies lists the encoders that have made a copy of a picture by
// the time they have been given it.
int rk_encoder_copies(const char *name) { return !strcmp(name, "libx264") || !strcmp(name, "libx265"); }

static void keep(void *opaque, uint8_t *data) {}

// rk_encoder_send_picture encodes straight from the caller's memory, which
// spares a copy: at 1280x720 that is one part in twenty of the whole recording.
// The picture must be of the encoder's size, in I420 and its colour coding.
//
// libavcodec has no other way to hold on to a picture than by a reference to
// its buffer. Returns 1 if there is one left: then the encoder must be freed
// before the memory is.
int rk_encoder_send_picture(rk_encoder *e, const uint8_t *p0, int s0, const uint8_t *p1, int s1,
                            const uint8_t *p2, int s2, int64_t pts, int key) {
	if (!e->borrowed && !(e->borrowed = av_frame_alloc()))
		return AVERROR(ENOMEM);
	AVFrame *f = e->borrowed;
	AVCodecContext *ctx = e->ctx;
	f->width = ctx->width;
	f->height = ctx->height;
	f->format = ctx->pix_fmt;
	f->sample_aspect_ratio = ctx->sample_aspect_ratio;
	f->color_range = ctx->color_range;
	f->colorspace = ctx->colorspace;
	f->color_primaries = ctx->color_primaries;
	f->color_trc = ctx->color_trc;
	f->pts = pts;
	f->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	f->data[0] = (uint8_t *)p0, f->linesize[0] = s0;
	f->data[1] = (uint8_t *)p1, f->linesize[1] = s1;
	f->data[2] = (uint8_t *)p2, f->linesize[2] = s2;
	// A frame without a buffer would be copied. This one stands for all planes.
	AVBufferRef *buf = av_buffer_create(f->data[0], (size_t)s0 * (ctx->height - 1) + ctx->width, keep, NULL,
	                                    AV_BUFFER_FLAG_READONLY);
	if (!buf)
		return AVERROR(ENOMEM);
	f->buf[0] = buf;
	int ret = avcodec_send_frame(ctx, f);
	int held = av_buffer_get_ref_count(buf) > 1;
	av_frame_unref(f);
	return held ? 1 : ret;
}

static int16_t to_s16(float v) {
	v *= 32768;
	return v >= 32767 ? 32767 : v <= -32768 ? -32768 : (int16_t)(v < 0 ? v - 0.5f : v + 0.5f);
}

static void fill_audio(AVFrame *f, const float *samples, int n, int channels) {
	switch (f->format) {
	case AV_SAMPLE_FMT_FLTP:
		for (int c = 0; c < channels; c++) {
			float *to = (float *)f->extended_data[c];
			for (int i = 0; i < n; i++)
				to[i] = samples[i * channels + c];
		}
		break;
	case AV_SAMPLE_FMT_S16P:
		for (int c = 0; c < channels; c++) {
			int16_t *to = (int16_t *)f->extended_data[c];
			for (int i = 0; i < n; i++)
				to[i] = to_s16(samples[i * channels + c]);
		}
		break;
	case AV_SAMPLE_FMT_S16: {
		int16_t *to = (int16_t *)f->data[0];
		for (int i = 0; i < n * channels; i++)
			to[i] = to_s16(samples[i]);
		break;
	}
	default:
		memcpy(f->data[0], samples, sizeof(float) * n * channels);
	}
}

int rk_encoder_send_audio(rk_encoder *e, const float *samples, int frames, int64_t pts) {
	AVFrame *f = e->audio;
	AVCodecContext *ctx = e->ctx;
	int ret;
	if (ctx->frame_size <= 0) {
		av_frame_unref(f);
		f->format = ctx->sample_fmt;
		f->sample_rate = ctx->sample_rate;
		f->nb_samples = frames;
		if ((ret = av_channel_layout_copy(&f->ch_layout, &ctx->ch_layout)) < 0 ||
		    (ret = av_frame_get_buffer(f, 0)) < 0)
			return ret;
	} else {
		f->nb_samples = ctx->frame_size; // of which the buffer must be a copy
		if ((ret = av_frame_make_writable(f)) < 0)
			return ret;
		f->nb_samples = frames;
	}
	fill_audio(f, samples, frames, ctx->ch_layout.nb_channels);
	f->pts = pts;
	return avcodec_send_frame(ctx, f);
}

int rk_encoder_flush(rk_encoder *e) { return avcodec_send_frame(e->ctx, NULL); }

int rk_encoder_receive(rk_encoder *e, AVPacket *p) { return avcodec_receive_packet(e->ctx, p); }
