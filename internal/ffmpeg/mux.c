// Files in FFmpeg's formats.

#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "rk.h"

struct rk_muxer {
	AVFormatContext *ctx;
	AVDictionary *options; // for the header
	AVRational *time_bases; // of the packets, by stream
	int64_t size;           // once the file is closed
};

void rk_muxer_free(rk_muxer *m) {
	if (!m)
		return;
	if (m->ctx)
		avio_closep(&m->ctx->pb);
	avformat_free_context(m->ctx);
	av_dict_free(&m->options);
	av_free(m->time_bases);
	av_free(m);
}

int rk_muxer_open(rk_muxer **out, const char *url, const char *format, AVDictionary **metadata,
                  AVDictionary **options) {
	rk_muxer *m = av_mallocz(sizeof *m);
	if (!m)
		return AVERROR(ENOMEM);
	const AVOutputFormat *of = av_guess_format(format, NULL, NULL);
	int ret = of ? avformat_alloc_output_context2(&m->ctx, of, NULL, url) : AVERROR_MUXER_NOT_FOUND;
	if (ret >= 0)
		ret = avio_open2(&m->ctx->pb, url, AVIO_FLAG_WRITE, NULL, NULL);
	if (ret < 0) {
		rk_muxer_free(m);
		return ret;
	}
	m->ctx->metadata = *metadata;
	m->options = *options;
	*metadata = *options = NULL;
	*out = m;
	return 0;
}

static int set_names(AVStream *st, const char *name, const char *language) {
	int ret = 0;
	if (*name) {
		// Matroska and QuickTime show the one, MP4 the other.
		ret = av_dict_set(&st->metadata, "title", name, 0);
		if (ret >= 0)
			ret = av_dict_set(&st->metadata, "handler_name", name, 0);
	}
	if (ret >= 0 && *language)
		ret = av_dict_set(&st->metadata, "language", language, 0);
	return ret;
}

// rk_muxer_add returns the index of the new stream.
int rk_muxer_add(rk_muxer *m, const rk_params *p, const char *name, const char *language, int is_default) {
	int n = m->ctx->nb_streams;
	AVRational *bases = av_realloc_array(m->time_bases, n + 1, sizeof *bases);
	if (!bases)
		return AVERROR(ENOMEM);
	m->time_bases = bases;
	AVStream *st = avformat_new_stream(m->ctx, NULL);
	if (!st)
		return AVERROR(ENOMEM);
	int ret = avcodec_parameters_copy(st->codecpar, p->par);
	if (ret < 0 || (ret = set_names(st, name, language)) < 0)
		return ret;
	// A tag is the business of the container it came from. Apple plays HEVC
	// only as hvc1.
	st->codecpar->codec_tag = 0;
	if (p->par->codec_id == AV_CODEC_ID_HEVC && av_match_name(m->ctx->oformat->name, "mp4,mov"))
		st->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
	st->time_base = bases[n] = p->time_base;
	st->avg_frame_rate = p->frame_rate;
	if (p->par->codec_type == AVMEDIA_TYPE_VIDEO)
		st->sample_aspect_ratio = p->par->sample_aspect_ratio;
	st->disposition = is_default ? AV_DISPOSITION_DEFAULT : 0;
	return n;
}

// rk_muxer_header writes into unused the name of an option nobody knew.
int rk_muxer_header(rk_muxer *m, char *unused, size_t unused_size) {
	int ret = avformat_write_header(m->ctx, &m->options);
	const AVDictionaryEntry *left = av_dict_get(m->options, "", NULL, AV_DICT_IGNORE_SUFFIX);
	if (ret >= 0 && left) {
		av_strlcpy(unused, left->key, unused_size);
		ret = AVERROR_OPTION_NOT_FOUND;
	}
	if (ret >= 0) {
		avio_flush(m->ctx->pb);
		ret = m->ctx->pb->error;
	}
	return ret < 0 ? ret : 0;
}

// rk_muxer_write leaves the packet empty in every case.
int rk_muxer_write(rk_muxer *m, int stream, AVPacket *p) {
	if (stream < 0 || stream >= (int)m->ctx->nb_streams) {
		av_packet_unref(p);
		return AVERROR(EINVAL);
	}
	av_packet_rescale_ts(p, m->time_bases[stream], m->ctx->streams[stream]->time_base);
	p->stream_index = stream;
	int ret = av_interleaved_write_frame(m->ctx, p);
	av_packet_unref(p);
	return ret < 0 ? ret : m->ctx->pb->error;
}

// rk_muxer_finish does all of its steps whatever fails, and returns the first
// failure. libavformat notes an I/O error and goes on: hence the look at it
// before the close that forgets it.
int rk_muxer_finish(rk_muxer *m) {
	int ret = av_write_trailer(m->ctx);
	avio_flush(m->ctx->pb);
	if (ret >= 0)
		ret = m->ctx->pb->error;
	m->size = rk_muxer_size(m);
	int closed = avio_closep(&m->ctx->pb);
	if (ret >= 0)
		ret = closed;
	return ret < 0 ? ret : 0;
}

int64_t rk_muxer_size(rk_muxer *m) {
	if (!m->ctx->pb)
		return m->size;
	int64_t size = avio_size(m->ctx->pb), at = avio_tell(m->ctx->pb);
	return size > at ? size : at;
}

// mpegts_codecs: that muxer has no list of its own, it writes whatever it does
// not know as private data.
static const enum AVCodecID mpegts_codecs[] = {
	AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4,
	AV_CODEC_ID_AAC, AV_CODEC_ID_MP2, AV_CODEC_ID_MP3, AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3, AV_CODEC_ID_OPUS,
};

int rk_format_supports(const char *format, const char *codec) {
	const AVOutputFormat *of = av_guess_format(format, NULL, NULL);
	const AVCodec *encoder = avcodec_find_encoder_by_name(codec);
	const AVCodecDescriptor *d = encoder ? NULL : avcodec_descriptor_get_by_name(codec);
	if (!of || (!encoder && !d))
		return 0;
	enum AVCodecID id = encoder ? encoder->id : d->id;
	if (!strcmp(of->name, "mpegts")) {
		for (size_t i = 0; i < FF_ARRAY_ELEMS(mpegts_codecs); i++)
			if (mpegts_codecs[i] == id)
				return 1;
		return 0;
	}
	return avformat_query_codec(of, id, FF_COMPLIANCE_NORMAL) == 1;
}
