// Draws any picture into an encoder's frame.
//
//	same colour coding:  libyuv    source ─► I420 ─► (scale) ─► frame
//	different:           swscale   padded copy ────────────► frame

#include <string.h>

#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/mem.h>
#include <libswscale/swscale.h>
#include <libyuv.h>

#include "rk.h"

typedef struct {
	const uint8_t *data[4];
	int stride[4];
} planes;

typedef struct {
	int x, y, w, h;
} rect;

struct rk_converter {
	rk_buffer i420;   // the source as I420, before scaling
	rk_buffer padded; // the source for swscale
	struct SwsContext *sws;
	int key[8];
};

rk_converter *rk_converter_new(void) { return av_mallocz(sizeof(rk_converter)); }

void rk_converter_free(rk_converter *c) {
	if (!c)
		return;
	rk_buffer_free(&c->i420);
	rk_buffer_free(&c->padded);
	sws_freeContext(c->sws);
	av_free(c);
}

// to_i420 names the bytes as media does: libyuv spells them the other way
// round, as a little-endian machine reads them, and R G B as "RAW".
static int to_i420(int pixel, const planes *s, int w, int h, uint8_t *const d[3], const int ds[3]) {
	const uint8_t *p = s->data[0];
	int n = s->stride[0];
	switch (pixel) {
	case RK_I420:
		return I420Copy(p, n, s->data[1], s->stride[1], s->data[2], s->stride[2],
		                d[0], ds[0], d[1], ds[1], d[2], ds[2], w, h);
	case RK_NV12:
		return NV12ToI420(p, n, s->data[1], s->stride[1], d[0], ds[0], d[1], ds[1], d[2], ds[2], w, h);
	case RK_RGB24:
		return RAWToI420(p, n, d[0], ds[0], d[1], ds[1], d[2], ds[2], w, h);
	case RK_BGR24:
		return RGB24ToI420(p, n, d[0], ds[0], d[1], ds[1], d[2], ds[2], w, h);
	case RK_RGBA:
		return ABGRToI420(p, n, d[0], ds[0], d[1], ds[1], d[2], ds[2], w, h);
	case RK_BGRA:
		return ARGBToI420(p, n, d[0], ds[0], d[1], ds[1], d[2], ds[2], w, h);
	}
	return -1;
}

// sub returns the pointers to the part of a frame that begins at an even
// position.
static void sub(const AVFrame *f, const rect *r, uint8_t *d[4]) {
	d[0] = f->data[0] + (ptrdiff_t)r->y * f->linesize[0] + r->x;
	for (int i = 1; i < 3; i++)
		d[i] = f->data[i] + (ptrdiff_t)(r->y / 2) * f->linesize[i] + r->x / 2;
	d[3] = NULL;
}

static int convert_yuv(rk_converter *c, AVFrame *f, const rect *r, int pixel, const planes *s, int w, int h) {
	uint8_t *d[4];
	sub(f, r, d);
	if (r->w == w && r->h == h)
		return to_i420(pixel, s, w, h, d, f->linesize) ? AVERROR(EINVAL) : 0;

	planes t = *s;
	if (pixel != RK_I420) {
		int luma = FFALIGN(w, 64), chroma = FFALIGN((w + 1) / 2, 64), rows = (h + 1) / 2;
		int ret = rk_buffer_need(&c->i420, (size_t)luma * h + 2 * (size_t)chroma * rows);
		if (ret < 0)
			return ret;
		uint8_t *y = c->i420.data, *u = y + (size_t)luma * h, *v = u + (size_t)chroma * rows;
		uint8_t *const to[3] = {y, u, v};
		const int strides[3] = {luma, chroma, chroma};
		if (to_i420(pixel, s, w, h, to, strides))
			return AVERROR(EINVAL);
		t = (planes){{y, u, v}, {luma, chroma, chroma}};
	}
	enum FilterMode filter = r->w < w || r->h < h ? kFilterBox : kFilterBilinear;
	int bad = I420Scale(t.data[0], t.stride[0], t.data[1], t.stride[1], t.data[2], t.stride[2], w, h,
	                    d[0], f->linesize[0], d[1], f->linesize[1], d[2], f->linesize[2], r->w, r->h, filter);
	return bad ? AVERROR(EINVAL) : 0;
}

static int sws_format(int pixel) {
	switch (pixel) {
	case RK_NV12:
		return AV_PIX_FMT_NV12;
	case RK_RGB24:
		return AV_PIX_FMT_RGB24;
	case RK_BGR24:
		return AV_PIX_FMT_BGR24;
	case RK_RGBA:
		return AV_PIX_FMT_RGB0; // alpha is ignored
	case RK_BGRA:
		return AV_PIX_FMT_BGR0;
	}
	return AV_PIX_FMT_YUV420P;
}

// recolor copies the source first: swscale's vector code may read beyond the
// end of a row, and the last row of the caller's memory may end at a page.
static int recolor(rk_converter *c, AVFrame *f, int fcolor, const rect *r,
                   int pixel, int color, const planes *s, int w, int h) {
	int format = sws_format(pixel), linesize[4];
	uint8_t *padded[4], *d[4];
	int size = av_image_get_buffer_size(format, w, h, 64);
	if (size < 0)
		return size;
	int ret = rk_buffer_need(&c->padded, size);
	if (ret < 0)
		return ret;
	if ((ret = av_image_fill_arrays(padded, linesize, c->padded.data, format, w, h, 64)) < 0)
		return ret;
	planes from = *s;
	av_image_copy(padded, linesize, from.data, from.stride, format, w, h);
	if ((ret = rk_sws_update(&c->sws, c->key, w, h, format, color, r->w, r->h, f->format, fcolor)) < 0)
		return ret;
	sub(f, r, d);
	ret = sws_scale(c->sws, (const uint8_t *const *)padded, linesize, 0, h, d, f->linesize);
	return ret < 0 ? ret : 0;
}

// replicate fills the last column and row of a frame whose size was rounded up
// to even. Its chroma is complete already: it has half of an odd size rounded
// up.
static void replicate(AVFrame *f, int w, int h) {
	uint8_t *y = f->data[0];
	int n = f->linesize[0];
	if (f->width > w)
		for (int i = 0; i < h; i++)
			y[(ptrdiff_t)i * n + w] = y[(ptrdiff_t)i * n + w - 1];
	if (f->height > h)
		memcpy(y + (ptrdiff_t)h * n, y + (ptrdiff_t)(h - 1) * n, f->width);
}

static void fill(AVFrame *f, int plane, int x, int y, int w, int h, int value) {
	for (int i = 0; i < h && w > 0; i++)
		memset(f->data[plane] + (ptrdiff_t)(y + i) * f->linesize[plane] + x, value, w);
}

// bars blackens what lies around r.
static void bars(AVFrame *f, const rect *r, int black) {
	for (int i = 0; i < 3; i++) {
		int k = i ? 2 : 1, value = i ? 128 : black;
		int w = f->width / k, h = f->height / k, x = r->x / k, y = r->y / k, rw = r->w / k, rh = r->h / k;
		fill(f, i, 0, 0, w, y, value);
		fill(f, i, 0, y + rh, w, h - y - rh, value);
		fill(f, i, 0, y, x, rh, value);
		fill(f, i, x + rw, y, w - x - rw, rh, value);
	}
}

// even returns num/den as the nearest even number from 2 to max.
static int even(int64_t num, int64_t den, int max) {
	int64_t n = 2 * ((num + den) / (2 * den));
	return n < 2 ? 2 : n > max ? max : (int)n;
}

// fit centres a picture in a frame, as large as it can be. All is even, so
// that chroma lies where luma does.
static rect fit(int w, int h, int fw, int fh) {
	rect r = {0, 0, fw, fh};
	if ((int64_t)w * fh > (int64_t)fw * h)
		r.h = even((int64_t)fw * h, w, fh);
	else
		r.w = even((int64_t)fh * w, h, fw);
	r.x = (fw - r.w) / 2 & ~1;
	r.y = (fh - r.h) / 2 & ~1;
	return r;
}

// rk_convert draws a picture. RGB into BT.601, and YUV into its own coding, go
// the quick way.
int rk_convert(rk_converter *c, rk_frame *dst, int pixel, int color, int w, int h,
               const uint8_t *p0, int s0, const uint8_t *p1, int s1, const uint8_t *p2, int s2) {
	int ret = rk_frame_prepare(dst);
	if (ret < 0)
		return ret;
	AVFrame *f = rk_frame_av(dst);
	int fcolor = rk_frame_color(dst);
	planes s = {{p0, p1, p2}, {s0, s1, s2}};

	int same = f->width == w + (w & 1) && f->height == h + (h & 1);
	rect r = same ? (rect){0, 0, w, h} : fit(w, h, f->width, f->height);
	if (pixel >= RK_RGB24 ? fcolor == RK_BT601 : fcolor == color)
		ret = convert_yuv(c, f, &r, pixel, &s, w, h);
	else
		ret = recolor(c, f, fcolor, &r, pixel, color, &s, w, h);
	if (ret < 0)
		return ret;
	if (same)
		replicate(f, w, h);
	else
		bars(f, &r, rk_color_is_full(fcolor) ? 0 : 16);
	return 0;
}
