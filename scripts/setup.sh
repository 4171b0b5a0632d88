#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that building (build) or testing
# (test) needs, where they are missing. Usage: scripts/setup.sh build [test]
set -euo pipefail

packages=()
for what in "$@"; do
	case "$what" in
	build)
		packages+=(pkg-config libavcodec-dev libavdevice-dev libavformat-dev libavutil-dev
			libswresample-dev libswscale-dev libyuv-dev)
		;;
	test)
		# ffmpeg, mediainfo and chromium judge the recordings; the others play
		# the parts of microphone, speaker and screen.
		packages+=(ffmpeg mediainfo chromium xvfb x11-apps pulseaudio pulseaudio-utils espeak-ng)
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
if [ ${#missing[@]} -eq 0 ]; then
	exit 0
fi

echo "setup: installing ${missing[*]}"
sudo=()
if [ "$(id -u)" -ne 0 ]; then
	sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
