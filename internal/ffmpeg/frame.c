// A picture for an encoder, drawn again and again.

#include <libavutil/buffer.h>
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/mem.h>

#include "rk.h"

enum { ALIGN = 64 };

struct rk_frame {
	AVFrame *av;
	AVBufferPool *pool; // buffers come back here when an encoder drops them
	int color;
};

int rk_frame_new(rk_frame **out, int width, int height, int color) {
	int size = av_image_get_buffer_size(AV_PIX_FMT_YUV420P, width, height, ALIGN);
	if (size < 0)
		return size;
	rk_frame *f = av_mallocz(sizeof *f);
	if (!f)
		return AVERROR(ENOMEM);
	f->color = color;
	f->av = av_frame_alloc();
	f->pool = av_buffer_pool_init(size + ALIGN, NULL);
	if (!f->av || !f->pool) {
		rk_frame_free(f);
		return AVERROR(ENOMEM);
	}
	f->av->width = width;
	f->av->height = height;
	f->av->format = AV_PIX_FMT_YUV420P;
	f->av->sample_aspect_ratio = (AVRational){1, 1};
	f->av->color_range = rk_color_is_full(color) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	f->av->colorspace = rk_color_is_709(color) ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
	f->av->color_primaries = AVCOL_PRI_BT709;
	f->av->color_trc = AVCOL_TRC_BT709;
	int ret = rk_frame_prepare(f);
	if (ret < 0) {
		rk_frame_free(f);
		return ret;
	}
	*out = f;
	return 0;
}

// rk_frame_prepare gives the frame a buffer that nobody else refers to. Unlike
// av_frame_make_writable it does not copy the old picture: it is about to be
// drawn over.
int rk_frame_prepare(rk_frame *f) {
	if (f->av->buf[0] && av_buffer_is_writable(f->av->buf[0]))
		return 0;
	av_buffer_unref(&f->av->buf[0]);
	if (!(f->av->buf[0] = av_buffer_pool_get(f->pool)))
		return AVERROR(ENOMEM);
	int ret = av_image_fill_arrays(f->av->data, f->av->linesize, f->av->buf[0]->data, AV_PIX_FMT_YUV420P,
	                               f->av->width, f->av->height, ALIGN);
	return ret < 0 ? ret : 0;
}

AVFrame *rk_frame_av(rk_frame *f) { return f->av; }

int rk_frame_color(const rk_frame *f) { return f->color; }

void rk_frame_free(rk_frame *f) {
	if (!f)
		return;
	av_frame_free(&f->av);
	av_buffer_pool_uninit(&f->pool);
	av_free(f);
}
