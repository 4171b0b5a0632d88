// Files, network streams and capture devices.

#include <stdatomic.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "rk.h"

struct rk_input {
	AVFormatContext *ctx;
	atomic_int interrupted;
};

static int is_interrupted(void *in) { return atomic_load(&((rk_input *)in)->interrupted); }

// rk_is_device reports whether the format is not a matter of bytes in a file.
int rk_is_device(const char *format) {
	const AVInputFormat *f = av_find_input_format(format);
	return f && (f->flags & AVFMT_NOFILE);
}

rk_input *rk_input_new(void) { return av_mallocz(sizeof(rk_input)); }

// rk_input_interrupt makes the open or read under way, and all later ones,
// fail. It may be called from any thread.
void rk_input_interrupt(rk_input *in) { atomic_store(&in->interrupted, 1); }

void rk_input_free(rk_input *in) {
	if (!in)
		return;
	avformat_close_input(&in->ctx);
	av_free(in);
}

AVFormatContext *rk_input_context(rk_input *in) { return in->ctx; }

AVStream *rk_input_stream(rk_input *in, int index) { return in->ctx->streams[index]; }

// is_complete reports whether a device has said all about its streams, so that
// no pictures need to be read, and lost, to find out.
static int is_complete(const AVFormatContext *ctx) {
	for (unsigned i = 0; i < ctx->nb_streams; i++) {
		const AVCodecParameters *p = ctx->streams[i]->codecpar;
		if (p->codec_type == AVMEDIA_TYPE_VIDEO && (p->width <= 0 || p->height <= 0))
			return 0;
		if (p->codec_type == AVMEDIA_TYPE_AUDIO && (p->sample_rate <= 0 || p->ch_layout.nb_channels <= 0))
			return 0;
	}
	return ctx->nb_streams > 0;
}

int rk_input_open(rk_input *in, const char *url, const char *format, AVDictionary **options) {
	const AVInputFormat *f = NULL;
	if (*format && !(f = av_find_input_format(format)))
		return AVERROR_DEMUXER_NOT_FOUND;
	if (!(in->ctx = avformat_alloc_context()))
		return AVERROR(ENOMEM);
	in->ctx->interrupt_callback = (AVIOInterruptCB){is_interrupted, in};
	// These two wait in the driver, without looking at the interrupt.
	if (!strcmp(format, "v4l2") || !strcmp(format, "alsa"))
		in->ctx->flags |= AVFMT_FLAG_NONBLOCK;
	int ret = avformat_open_input(&in->ctx, url, f, options); // frees ctx on failure
	if (ret < 0)
		return ret;
	if ((in->ctx->iformat->flags & AVFMT_NOFILE) && is_complete(in->ctx))
		return 0;
	ret = avformat_find_stream_info(in->ctx, NULL);
	return ret < 0 ? ret : 0;
}

int rk_input_read(rk_input *in, AVPacket *p) {
	av_packet_unref(p);
	if (is_interrupted(in))
		return AVERROR_EXIT;
	return av_read_frame(in->ctx, p);
}

// rk_input_index copies entries of a stream's index and returns how many.
int rk_input_index(rk_input *in, int stream, int from, rk_index_entry *into, int room) {
	AVStream *st = in->ctx->streams[stream];
	int n = avformat_index_get_entries_count(st) - from;
	if (n > room)
		n = room;
	for (int i = 0; i < n; i++) {
		const AVIndexEntry *e = avformat_index_get_entry(st, from + i);
		into[i] = (rk_index_entry){e->pos, e->timestamp, e->size, e->flags};
	}
	return n < 0 ? 0 : n;
}
