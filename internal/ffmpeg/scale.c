// Scales pictures in the format they have, plane by plane, so that all formats
// are filtered alike:
//
//	I420    source ──────────────────────────────────► picture
//	NV12    Y as I420; UV ─► U, V ─► scaled U, V ────► picture
//	packed  source ─► R, G, B ─► scaled R, G, B ─────► picture
//
// libyuv's own scalers of interleaved bytes know no box filter: they leave out
// pixels where a picture becomes less than half as large.

#include <libavutil/common.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>
#include <libyuv.h>

#include "rk.h"

struct rk_scaler {
	rk_buffer from, to; // planes of one byte, before and after
};

rk_scaler *rk_scaler_new(void) { return av_mallocz(sizeof(rk_scaler)); }

void rk_scaler_free(rk_scaler *c) {
	if (!c)
		return;
	rk_buffer_free(&c->from);
	rk_buffer_free(&c->to);
	av_free(c);
}

typedef struct {
	uint8_t *data[3];
	int stride;
} split;

// lay_out makes n planes of a buffer.
static int lay_out(rk_buffer *b, split *s, int n, int w, int h) {
	s->stride = FFALIGN(w, 64);
	size_t size = (size_t)s->stride * h;
	int ret = rk_buffer_need(b, n * size);
	for (int i = 0; i < n && ret >= 0; i++)
		s->data[i] = b->data + i * size;
	return ret;
}

static void scale(const uint8_t *s, int ss, int w, int h, uint8_t *d, int ds, int dw, int dh) {
	ScalePlane(s, ss, w, h, d, ds, dw, dh, dw < w || dh < h ? kFilterBox : kFilterBilinear);
}

// The order of the three colours does not matter here, as long as they go back
// to where they came from. libyuv's "ARGB" begins with B.
static void take_apart(int unit, const uint8_t *p, int n, const split *s, int w, int h) {
	uint8_t *const *d = s->data;
	int k = s->stride;
	if (unit == 2)
		SplitUVPlane(p, n, d[0], k, d[1], k, w, h);
	else if (unit == 3)
		SplitRGBPlane(p, n, d[0], k, d[1], k, d[2], k, w, h);
	else
		SplitARGBPlane(p, n, d[0], k, d[1], k, d[2], k, NULL, 0, w, h);
}

static void put_together(int unit, const split *s, uint8_t *p, int n, int w, int h) {
	uint8_t *const *d = s->data;
	int k = s->stride;
	if (unit == 2)
		MergeUVPlane(d[0], k, d[1], k, p, n, w, h);
	else if (unit == 3)
		MergeRGBPlane(d[0], k, d[1], k, d[2], k, p, n, w, h);
	else
		MergeARGBPlane(d[0], k, d[1], k, d[2], k, NULL, 0, p, n, w, h);
}

// rk_scale_plane scales a plane of w by h pixels, each of which has 1 to 4
// bytes. Of four, the last is alpha, which becomes opaque.
int rk_scale_plane(rk_scaler *c, int unit, const uint8_t *from, int from_stride, int w, int h,
                   uint8_t *to, int to_stride, int dw, int dh) {
	if (unit == 1) {
		scale(from, from_stride, w, h, to, to_stride, dw, dh);
		return 0;
	}
	int n = FFMIN(unit, 3), ret;
	split s, d;
	if ((ret = lay_out(&c->from, &s, n, w, h)) < 0 || (ret = lay_out(&c->to, &d, n, dw, dh)) < 0)
		return ret;
	take_apart(unit, from, from_stride, &s, w, h);
	for (int i = 0; i < n; i++)
		scale(s.data[i], s.stride, w, h, d.data[i], d.stride, dw, dh);
	put_together(unit, &d, to, to_stride, dw, dh);
	return 0;
}
