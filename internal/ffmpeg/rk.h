// rk.h: the C side of this package, a thin layer over the public interface of
// FFmpeg and libyuv. The same source builds without conditionals from FFmpeg
// 5.1 on; so it keeps away from everything that came or went since then.
//
// Functions that can fail return 0 (or a count) or a negative AVERROR code.
// No function keeps a pointer to the caller's memory beyond the call. Objects
// are not safe for concurrent use except where said.
#ifndef RK_H
#define RK_H

#include <stddef.h>
#include <stdint.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>

// The numbers of media.PixelFormat and media.Color; color.go holds them equal.
enum { RK_I420, RK_NV12, RK_RGB24, RK_BGR24, RK_RGBA, RK_BGRA };
enum { RK_COLOR_UNKNOWN, RK_BT601, RK_BT709, RK_BT601_FULL, RK_BT709_FULL };
// Codings media does not know; the decoder turns them into BT.709.
enum { RK_BT2020 = 16, RK_BT2020_FULL };
// The numbers of media.SampleFormat.
enum { RK_S16, RK_U8, RK_S8, RK_S32, RK_F32 };

// log.c
void rk_init(void);
void rk_log_begin(void);
const char *rk_log_end(void);
void rk_log_level(int level);

// color.c
int rk_color_is_full(int color);
int rk_color_is_709(int color);
int rk_color_resolve(int color, int height);
int rk_format_is_rgb(int format);
struct SwsContext;
int rk_sws_update(struct SwsContext **sws, int key[8], int sw, int sh, int sfmt, int scolor,
                  int dw, int dh, int dfmt, int dcolor);

// A buffer of C memory that grows and is kept.
typedef struct rk_buffer {
	uint8_t *data;
	size_t size;
} rk_buffer;
int rk_buffer_need(rk_buffer *b, size_t size);
void rk_buffer_free(rk_buffer *b);

// frame.c
typedef struct rk_frame rk_frame;
int rk_frame_new(rk_frame **out, int width, int height, int color);
void rk_frame_free(rk_frame *f);
int rk_frame_prepare(rk_frame *f);
AVFrame *rk_frame_av(rk_frame *f);
int rk_frame_color(const rk_frame *f);

// convert.c
typedef struct rk_converter rk_converter;
rk_converter *rk_converter_new(void);
void rk_converter_free(rk_converter *c);
int rk_convert(rk_converter *c, rk_frame *dst, int pixel, int color, int w, int h,
               const uint8_t *p0, int s0, const uint8_t *p1, int s1, const uint8_t *p2, int s2);

// scale.c
typedef struct rk_scaler rk_scaler;
rk_scaler *rk_scaler_new(void);
void rk_scaler_free(rk_scaler *c);
int rk_scale_plane(rk_scaler *c, int unit, const uint8_t *from, int from_stride, int w, int h,
                   uint8_t *to, int to_stride, int dw, int dh);

// encode.c
typedef struct rk_encoder rk_encoder;
int rk_has_encoder(const char *name);
int rk_video_encoder_open(rk_encoder **out, const char *codec, int width, int height, double fps, int color,
                          int64_t bitrate, int gop, int threads, int bframes, AVDictionary **options);
int rk_audio_encoder_open(rk_encoder **out, const char *codec, int rate, int channels, int64_t bitrate,
                          AVDictionary **options);
AVCodecContext *rk_encoder_context(rk_encoder *e);
int rk_encoder_send_video(rk_encoder *e, rk_frame *f, int64_t pts, int key);
int rk_encoder_copies(const char *name);
int rk_encoder_send_picture(rk_encoder *e, const uint8_t *p0, int s0, const uint8_t *p1, int s1,
                            const uint8_t *p2, int s2, int64_t pts, int key);
int rk_encoder_send_audio(rk_encoder *e, const float *samples, int frames, int64_t pts);
int rk_encoder_flush(rk_encoder *e);
int rk_encoder_receive(rk_encoder *e, AVPacket *p);
void rk_encoder_free(rk_encoder *e);

// params.c
typedef struct rk_params {
	AVCodecParameters *par;
	AVRational time_base;
	AVRational frame_rate; // 0/1 where unknown or not a picture
} rk_params;
rk_params *rk_params_new(void);
rk_params *rk_params_of_context(const AVCodecContext *ctx);
rk_params *rk_params_of_stream(const AVStream *st);
int rk_params_set(rk_params *p, const char *codec, const uint8_t *extra, int extra_size);
void rk_params_set_video(rk_params *p, int width, int height, int color);
void rk_params_set_audio(rk_params *p, int rate, int channels, int frame_size, int padding);
void rk_params_free(rk_params *p);
int rk_packet_fill(AVPacket *p, const uint8_t *data, int size);

// mux.c
typedef struct rk_muxer rk_muxer;
int rk_muxer_open(rk_muxer **out, const char *url, const char *format, AVDictionary **metadata,
                  AVDictionary **options);
int rk_muxer_add(rk_muxer *m, const rk_params *p, const char *name, const char *language, int is_default);
int rk_muxer_header(rk_muxer *m, char *unused, size_t unused_size);
int rk_muxer_write(rk_muxer *m, int stream, AVPacket *p);
int rk_muxer_finish(rk_muxer *m);
int64_t rk_muxer_size(rk_muxer *m);
void rk_muxer_free(rk_muxer *m);
int rk_format_supports(const char *format, const char *codec);

// demux.c
typedef struct rk_input rk_input;

// rk_index_entry is laid out as IndexEntry in index.go.
typedef struct {
	int64_t pos, time;
	int32_t size, flags;
} rk_index_entry;

int rk_is_device(const char *format);
rk_input *rk_input_new(void);
void rk_input_interrupt(rk_input *in);
int rk_input_open(rk_input *in, const char *url, const char *format, AVDictionary **options);
AVFormatContext *rk_input_context(rk_input *in);
AVStream *rk_input_stream(rk_input *in, int index);
int rk_input_read(rk_input *in, AVPacket *p);
int rk_input_index(rk_input *in, int stream, int from, rk_index_entry *into, int room);
void rk_input_free(rk_input *in);

// What a decoded frame, or a stream still to be decoded, comes out as.
typedef struct rk_output {
	int pixel, width, height, color; // pictures
	int rate, channels, sample, frames; // audio
	int64_t pts;
} rk_output;
void rk_params_output(const AVCodecParameters *par, rk_output *o);

// decode.c
typedef struct rk_decoder rk_decoder;
int rk_decoder_open(rk_decoder **out, const rk_params *p, int threads, int64_t max_pixels);
void rk_decoder_reset(rk_decoder *d);
int rk_decoder_send(rk_decoder *d, const AVPacket *p);
int rk_decoder_receive(rk_decoder *d, rk_output *o);
int rk_decoder_picture(rk_decoder *d, uint8_t *p0, int s0, uint8_t *p1, int s1, uint8_t *p2, int s2);
int rk_decoder_pcm(rk_decoder *d, uint8_t *to);
void rk_decoder_free(rk_decoder *d);

// resample.c
typedef struct rk_resampler rk_resampler;
int rk_resampler_open(rk_resampler **out, int rate, int channels, int sample, int to_rate, int to_channels);
int64_t rk_resampler_bound(const rk_resampler *r, int64_t frames);
int rk_resampler_convert(rk_resampler *r, const uint8_t *pcm, int frames, float *to, int room);
int rk_resampler_flush(rk_resampler *r, float *to, int room);
void rk_resampler_free(rk_resampler *r);

// devices.c
struct AVDeviceInfoList;
int rk_devices_list(const char *format, AVDictionary *options, struct AVDeviceInfoList **out);

#endif
