// Any PCM to interleaved float at another rate.
//
//	PCM ─► float, of the fewer channels ─► swresample ─► the more channels

#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libswresample/swresample.h>

#include "rk.h"

struct rk_resampler {
	int rate, channels, sample;
	int to_rate, to_channels;
	int work_channels; // the fewer
	SwrContext *swr;   // NULL at equal rates
	rk_buffer work;
	int64_t in, out; // frames since the start of the stream
};

void rk_resampler_free(rk_resampler *r) {
	if (!r)
		return;
	swr_free(&r->swr);
	rk_buffer_free(&r->work);
	av_free(r);
}

int rk_resampler_open(rk_resampler **out, int rate, int channels, int sample, int to_rate, int to_channels) {
	rk_resampler *r = av_mallocz(sizeof *r);
	if (!r)
		return AVERROR(ENOMEM);
	*r = (rk_resampler){.rate = rate, .channels = channels, .sample = sample, .to_rate = to_rate,
	                    .to_channels = to_channels, .work_channels = FFMIN(channels, to_channels)};
	if (rate != to_rate) {
		AVChannelLayout layout = {0};
		av_channel_layout_default(&layout, r->work_channels);
		int ret = swr_alloc_set_opts2(&r->swr, &layout, AV_SAMPLE_FMT_FLT, to_rate,
		                              &layout, AV_SAMPLE_FMT_FLT, rate, 0, NULL);
		if (ret >= 0)
			ret = swr_init(r->swr);
		if (ret < 0) {
			rk_resampler_free(r);
			return ret;
		}
	}
	*out = r;
	return 0;
}

static float value(const uint8_t *p, int sample, int64_t i) {
	int16_t s16;
	int32_t s32;
	float f32;
	switch (sample) {
	case RK_S16:
		memcpy(&s16, p + 2 * i, 2);
		return s16 / 32768.f;
	case RK_U8:
		return (p[i] - 128) / 128.f;
	case RK_S8:
		return (int8_t)p[i] / 128.f;
	case RK_S32:
		memcpy(&s32, p + 4 * i, 4);
		return s32 / 2147483648.f;
	}
	memcpy(&f32, p + 4 * i, 4);
	return f32;
}

// to_float converts and, from stereo to mono, averages. The pointer need not be
// aligned. Each format has its own loop once value is inlined.
#define LOOP(format)                                                                              \
	case format:                                                                              \
		if (r->work_channels < r->channels)                                               \
			for (int i = 0; i < frames; i++)                                          \
				to[i] = (value(pcm, format, 2 * i) + value(pcm, format, 2 * i + 1)) / 2; \
		else                                                                              \
			for (int i = 0; i < frames * r->channels; i++)                            \
				to[i] = value(pcm, format, i);                                    \
		break;

static void to_float(const rk_resampler *r, const uint8_t *pcm, int frames, float *to) {
	switch (r->sample) {
		LOOP(RK_S16)
		LOOP(RK_U8)
		LOOP(RK_S8)
		LOOP(RK_S32)
		LOOP(RK_F32)
	}
}

// spread makes mono stereo at full level, in place.
static void spread(const rk_resampler *r, float *to, int frames) {
	if (r->to_channels > r->work_channels)
		for (int i = frames - 1; i >= 0; i--)
			to[2 * i] = to[2 * i + 1] = to[i];
}

// filter returns a number of input frames that is more than the filter spans.
static int filter(const rk_resampler *r) { return 64 * (r->rate / r->to_rate + 2); }

// rk_resampler_bound returns the most frames that come out when so many go in,
// or when the rest is drained.
int64_t rk_resampler_bound(const rk_resampler *r, int64_t frames) {
	if (!r->swr)
		return frames;
	int64_t held = swr_get_delay(r->swr, r->rate);
	return (held + frames + filter(r)) * r->to_rate / r->rate + 64;
}

int rk_resampler_convert(rk_resampler *r, const uint8_t *pcm, int frames, float *to, int room) {
	r->in += frames;
	if (!r->swr) {
		if (frames > room)
			return AVERROR(EINVAL);
		to_float(r, pcm, frames, to);
		spread(r, to, frames);
		r->out += frames;
		return frames;
	}
	int ret = rk_buffer_need(&r->work, sizeof(float) * r->work_channels * (size_t)frames);
	if (ret < 0)
		return ret;
	to_float(r, pcm, frames, (float *)r->work.data);
	const uint8_t *in[] = {r->work.data};
	uint8_t *out[] = {(uint8_t *)to};
	ret = swr_convert(r->swr, out, room, in, frames);
	if (ret < 0)
		return ret;
	spread(r, to, ret);
	r->out += ret;
	return ret;
}

static int drain(rk_resampler *r, uint8_t *to, int room) {
	int got = 0, more;
	if (r->in < filter(r)) {
		// So short a stream is swallowed whole unless something follows.
		int n = filter(r);
		int ret = rk_buffer_need(&r->work, sizeof(float) * r->work_channels * (size_t)n);
		if (ret < 0)
			return ret;
		memset(r->work.data, 0, sizeof(float) * r->work_channels * (size_t)n);
		const uint8_t *in[] = {r->work.data};
		if ((got = swr_convert(r->swr, &to, room, in, n)) < 0)
			return got;
	}
	to += sizeof(float) * r->work_channels * (size_t)got;
	more = swr_convert(r->swr, &to, room - got, NULL, 0);
	return more < 0 ? more : got + more;
}

// rk_resampler_flush drains what is held and begins anew.
int rk_resampler_flush(rk_resampler *r, float *to, int room) {
	int64_t want = av_rescale(r->in, r->to_rate, r->rate) - r->out;
	int got = 0, ret = 0;
	if (r->swr) {
		got = drain(r, (uint8_t *)to, room);
		ret = swr_init(r->swr);
	}
	r->in = r->out = 0;
	if (got < 0 || ret < 0)
		return got < 0 ? got : ret;
	if (got > want) // the filter's tail, which nobody put in
		got = want > 0 ? (int)want : 0;
	spread(r, to, got);
	return got;
}
