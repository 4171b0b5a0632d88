// Colour coding and the swscale contexts that change it, and buffers.

#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "rk.h"

int rk_color_is_full(int color) {
	return color == RK_BT601_FULL || color == RK_BT709_FULL || color == RK_BT2020_FULL;
}

int rk_color_is_709(int color) { return color == RK_BT709 || color == RK_BT709_FULL; }

// rk_color_resolve does what media.VideoFormat.ResolvedColor does.
int rk_color_resolve(int color, int height) {
	if (color != RK_COLOR_UNKNOWN)
		return color;
	return height >= 720 ? RK_BT709 : RK_BT601;
}

static const int *coefficients(int color) {
	if (color == RK_BT2020 || color == RK_BT2020_FULL)
		return sws_getCoefficients(SWS_CS_BT2020);
	return sws_getCoefficients(rk_color_is_709(color) ? SWS_CS_ITU709 : SWS_CS_ITU601);
}

int rk_format_is_rgb(int format) {
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
	return d && (d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
}

// rk_sws_update makes *sws the context for a conversion, keeping it while the
// key, which it maintains, stays the same.
int rk_sws_update(struct SwsContext **sws, int key[8], int sw, int sh, int sfmt, int scolor,
                  int dw, int dh, int dfmt, int dcolor) {
	const int want[8] = {sw, sh, sfmt, scolor, dw, dh, dfmt, dcolor};
	if (*sws && !memcmp(key, want, sizeof want))
		return 0;
	sws_freeContext(*sws);
	if (!(*sws = sws_alloc_context()))
		return AVERROR(ENOMEM);

	int srange = rk_format_is_rgb(sfmt) || rk_color_is_full(scolor);
	int drange = rk_format_is_rgb(dfmt) || rk_color_is_full(dcolor);
	av_opt_set_int(*sws, "srcw", sw, 0);
	av_opt_set_int(*sws, "srch", sh, 0);
	av_opt_set_int(*sws, "src_format", sfmt, 0);
	av_opt_set_int(*sws, "dstw", dw, 0);
	av_opt_set_int(*sws, "dsth", dh, 0);
	av_opt_set_int(*sws, "dst_format", dfmt, 0);
	av_opt_set_int(*sws, "sws_flags",
	               SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, 0);
	// Before the initialisation as well: it takes a plain copy for granted
	// when the ranges are equal.
	av_opt_set_int(*sws, "src_range", srange, 0);
	av_opt_set_int(*sws, "dst_range", drange, 0);
	int ret = sws_init_context(*sws, NULL, NULL);
	if (ret >= 0) {
		// Returns a negative number where there is nothing to set, for
		// instance from one RGB to another.
		sws_setColorspaceDetails(*sws, coefficients(scolor), srange, coefficients(dcolor), drange,
		                         0, 1 << 16, 1 << 16);
		memcpy(key, want, sizeof want);
		return 0;
	}
	sws_freeContext(*sws);
	*sws = NULL;
	return ret;
}

// rk_buffer_need makes b at least size bytes long. The contents are lost when
// it grows. There is room behind it for vector code that reads or writes
// beyond the end of a row.
int rk_buffer_need(rk_buffer *b, size_t size) {
	if (b->size >= size)
		return 0;
	rk_buffer_free(b);
	if (!(b->data = av_malloc(size + 128)))
		return AVERROR(ENOMEM);
	b->size = size;
	return 0;
}

void rk_buffer_free(rk_buffer *b) {
	av_freep(&b->data);
	b->size = 0;
}
