#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that building (build) or testing
# (test) needs, where they are missing. Usage: scripts/setup.sh build [test]
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
mp4box=
for what in "$@"; do
	case "$what" in
	build)
		packages+=(pkg-config libavcodec-dev libavdevice-dev libavformat-dev libavutil-dev
			libswresample-dev libswscale-dev libyuv-dev)
		;;
	test)
		# ffmpeg, sox, mediainfo, chromium, GStreamer and MP4Box.js judge the
		# recordings; the others play the parts of microphone, speaker and
		# screen. GStreamer: base decodes Opus, good reads MP4 and decodes VP8
		# and VP9, libav the rest; bad parses H.264, HEVC and AV1 for them.
		packages+=(ffmpeg sox mediainfo chromium xvfb x11-apps pulseaudio pulseaudio-utils espeak-ng
			gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
			gstreamer1.0-plugins-bad gstreamer1.0-libav)
		mp4box=internal/judge/testdata/mp4box
		# Node.js from elsewhere brings its npm along, and Debian's would not
		# go with it.
		command -v node >/dev/null || packages+=(nodejs)
		command -v npm >/dev/null || packages+=(npm)
		# Ubuntu has Chromium as a snap only: tests that need it are skipped there.
		if [ "$(. /etc/os-release && echo "$ID")" = ubuntu ]; then
			packages=("${packages[@]/chromium/}")
		fi
		;;
	*)
		echo "usage: scripts/setup.sh build [test]" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "setup: not a Debian or Ubuntu machine; install FFmpeg's development libraries and libyuv by hand" >&2
	exit 0
fi

missing=()
for p in "${packages[@]}"; do
	[ -z "$p" ] && continue
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
	echo "setup: installing ${missing[*]}"
	sudo=()
	if [ "$(id -u)" -ne 0 ]; then
		sudo=(sudo)
	fi
	export DEBIAN_FRONTEND=noninteractive
	"${sudo[@]}" apt-get update -qq
	"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ -n "$mp4box" ] && [ ! -e "$mp4box/node_modules/.package-lock.json" ]; then
	echo "setup: installing MP4Box.js"
	npm ci --prefix "$mp4box" --ignore-scripts --no-audit --no-fund --silent >/dev/null 2>&1 ||
		echo "setup: MP4Box.js could not be fetched; tests that need it are skipped" >&2
fi
