// What FFmpeg says: kept for the error of the call that made it say it.

#include <dlfcn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libavdevice/avdevice.h>
#include <libavutil/log.h>

#include "rk.h"

// Two buffers, so that a flood of warnings cannot push the reason out.
typedef struct {
	int active;
	char errors[1024];
	char warnings[512];
} capture;

static _Thread_local capture said;
static atomic_int print_level = AV_LOG_QUIET;

static void append(char *buf, size_t size, const char *format, va_list args) {
	size_t n = strlen(buf);
	if (n + 8 > size)
		return;
	if (n > 0) {
		memcpy(buf + n, "; ", 3);
		n += 2;
	}
	vsnprintf(buf + n, size - n, format, args);
	for (char *c = buf + n; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	for (n = strlen(buf); n > 0 && (buf[n - 1] == ' ' || buf[n - 1] == ';'); n--)
		buf[n - 1] = 0;
}

static void log_line(void *object, int level, const char *format, va_list args) {
	level &= 0xff; // the bits above are a colour
	if (level <= atomic_load_explicit(&print_level, memory_order_relaxed)) {
		va_list copy;
		va_copy(copy, args);
		av_log_default_callback(object, level, format, copy);
		va_end(copy);
	}
	if (!said.active || level > AV_LOG_WARNING)
		return;
	if (level <= AV_LOG_ERROR)
		append(said.errors, sizeof said.errors, format, args);
	else
		append(said.warnings, sizeof said.warnings, format, args);
}

static void ignore_alsa(const char *file, int line, const char *function, int err, const char *format, ...) {}

// rk_init makes FFmpeg silent and registers the devices. To be called once.
void rk_init(void) {
	av_log_set_callback(log_line);
	avdevice_register_all();
	// alsa-lib prints its errors itself. libavdevice may or may not have
	// brought it in, so it is looked up and not linked.
	typedef void handler(const char *, int, const char *, int, const char *, ...);
	int (*set_handler)(handler *) = (int (*)(handler *))dlsym(RTLD_DEFAULT, "snd_lib_error_set_handler");
	if (set_handler)
		set_handler(ignore_alsa);
}

// rk_log_level has FFmpeg's messages up to a level printed to stderr.
void rk_log_level(int level) {
	atomic_store(&print_level, level);
	av_log_set_level(level);
}

// rk_log_begin starts to collect what this thread logs.
void rk_log_begin(void) {
	said.errors[0] = said.warnings[0] = 0;
	said.active = 1;
}

// rk_log_end returns what was collected: the errors, or if there are none the
// warnings. The string is this thread's and valid until the next
// rk_log_begin.
const char *rk_log_end(void) {
	said.active = 0;
	return said.errors[0] ? said.errors : said.warnings;
}
