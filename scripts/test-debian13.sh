#!/usr/bin/env bash
#
# Build and test against Debian 13 (trixie, FFmpeg 7.1) on any Debian machine.
#
#   sudo scripts/test-debian13.sh [PACKAGE...]      default: ./internal/ffmpeg/...
#
# RoomKit has one source for every FFmpeg from 5.1 on. A machine has only one
# FFmpeg, so the other one comes from a small Debian 13 in build/debian13 (made
# once, about 1 GB). It uses this machine's Go, module cache and source tree, so
# nothing but Debian packages is downloaded.
#
# Environment:
#   DEBIAN_MIRROR  mirror to use instead of the one in this machine's apt sources
#   FRESH=1        make the Debian 13 folder anew
#   NO_MOUNT=1     copy Go, modules and source instead of mounting them (this is
#                  also what happens by itself where mounts are not allowed)

set -euo pipefail

SUITE=trixie
PACKAGES=(gcc libc6-dev make pkg-config ca-certificates ffmpeg
	libavcodec-dev libavdevice-dev libavfilter-dev libavformat-dev libavutil-dev
	libswresample-dev libswscale-dev libyuv-dev)

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WORK=$REPO/build/debian13
ROOT=$WORK/root
STAMP=$WORK/installed

say() { printf '== %s\n' "$*"; }
die() {
	printf 'test-debian13: %s\n' "$*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || die "needs root: debootstrap and chroot do"

# Everything runs in a mount namespace of its own. The kernel drops it together
# with all its mounts when the script ends, however it ends (even by kill -9), so
# no mount can be left behind for a later "rm -rf build" to follow.
if [ -z "${IN_NAMESPACE:-}" ] && [ -z "${NO_MOUNT:-}" ]; then
	if unshare --mount --propagation private true 2>/dev/null; then
		IN_NAMESPACE=1 exec unshare --mount --propagation private bash "${BASH_SOURCE[0]}" "$@"
	fi
	say "mounts are not allowed here: copying instead"
	NO_MOUNT=1
fi

need_packages() { # command:package ...
	local pair missing=()
	for pair in "$@"; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	apt-get update -q >/dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}

# Deepest first, so that a mount below another one goes before it. Only debootstrap's
# own /proc is ever here when the namespace could not be had.
unmount_all() {
	local point
	awk '{print $5}' /proc/self/mountinfo | sort -r | while read -r point; do
		case $point in "$ROOT"/*) umount -l "$point" || true ;; esac
	done
}
trap unmount_all EXIT

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || die "go is not in PATH"
need_packages debootstrap:debootstrap

# ---- the mirror and the proxy are those this machine's apt uses -------------------

mirror() {
	local uri
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "$DEBIAN_MIRROR"
		return
	fi
	# apt's own parser knows both formats (sources.list and *.sources). The security
	# archive holds only updates, so it cannot be the base.
	# shellcheck disable=SC2016 # apt expands $(REPO_URI), not the shell
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep -E '/debian/?$' | head -n 1 || true)
	[ -n "$uri" ] || die "no Debian mirror in the apt sources; set DEBIAN_MIRROR"
	echo "${uri%/}"
}

# debootstrap downloads with wget, which takes its proxy from the environment.
use_apt_proxy() {
	local HTTP='' HTTPS=''
	eval "$(apt-config shell HTTP Acquire::http::Proxy HTTPS Acquire::https::Proxy)"
	case $HTTP in '' | DIRECT) ;; *) export http_proxy=$HTTP ;; esac
	case $HTTPS in '' | DIRECT) ;; *) export https_proxy=$HTTPS ;; esac
}

# ---- Debian 13 itself -----------------------------------------------------------

in_root() {
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
		chroot "$ROOT" "$@"
}

make_root() {
	local url script
	url=$(mirror)
	say "making Debian $SUITE in ${ROOT#"$REPO"/} from $url"
	unmount_all
	rm -rf "$ROOT" "$STAMP"
	mkdir -p "$ROOT"

	# An older debootstrap does not know the suite; sid's script serves all of them.
	script=/usr/share/debootstrap/scripts/$SUITE
	[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
	# The packages come by apt in a second step: its resolver is better than debootstrap's.
	debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$ROOT" "$url" "$script" \
		>"$WORK/debootstrap.log" 2>&1 || {
		tail -n 20 "$WORK/debootstrap.log" "$ROOT/debootstrap/debootstrap.log" >&2 || true
		die "debootstrap failed, see $WORK/debootstrap.log"
	}

	# A folder that can be made again needs no fsync for each unpacked file, no
	# documentation and no apt cache.
	echo force-unsafe-io >"$ROOT/etc/dpkg/dpkg.cfg.d/fast"
	printf 'path-exclude=/usr/share/%s/*\n' doc man locale >"$ROOT/etc/dpkg/dpkg.cfg.d/small"
	apt-config dump Acquire::http Acquire::https Acquire::Check-Valid-Until Acquire::Check-Date |
		grep -v -i 'auto-\?detect' >"$ROOT/etc/apt/apt.conf.d/90host" || true
	cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"

	say "installing ${PACKAGES[*]}"
	{
		in_root apt-get update -q &&
			in_root apt-get install -qy --no-install-recommends "${PACKAGES[@]}" &&
			in_root apt-get clean
	} >"$WORK/apt.log" 2>&1 || {
		tail -n 20 "$WORK/apt.log" >&2
		die "apt-get failed in the chroot, see $WORK/apt.log"
	}
	printf '%s\n' "$SUITE ${PACKAGES[*]}" >"$STAMP"
}

mkdir -p "$WORK"
# A go.mod of its own keeps the thousands of folders below out of the repository's "./...".
[ -e "$WORK/go.mod" ] || echo 'module ignore' >"$WORK/go.mod"

# What the script started inherits the lock: a debootstrap that outlived a killed
# run still holds it.
exec 9>"$WORK/lock"
flock -n 9 || die "an earlier run is still busy in $WORK"

use_apt_proxy
if [ -n "${FRESH:-}" ] || [ "$(cat "$STAMP" 2>/dev/null)" != "$SUITE ${PACKAGES[*]}" ]; then
	make_root
else
	say "using ${ROOT#"$REPO"/} (FRESH=1 makes it anew)"
fi

# ---- Go, modules and source -----------------------------------------------------

cd "$REPO"
GOROOT_HOST=$(go env GOROOT)
MODCACHE_HOST=$(go env GOMODCACHE)

say "completing the module cache on this machine"
go list -deps -test ./... >/dev/null

mkdir -p "$ROOT"/{opt/go,opt/modcache,src,proc,dev}
bind() { # FROM TO [OPTION]
	mount --bind "$1" "$2" && mount -o "remount,bind${3:+,$3}" "$2"
}
mount_all() {
	mkdir -p "$MODCACHE_HOST"
	# Read-only where nothing has to be written: a test must not change the source.
	mount -t proc proc "$ROOT/proc" &&
		bind "$GOROOT_HOST" "$ROOT/opt/go" ro &&
		bind "$MODCACHE_HOST" "$ROOT/opt/modcache" &&
		bind "$REPO" "$ROOT/src" ro
}
copy_all() {
	local dir
	rm -rf "$ROOT"/opt/go/* "$ROOT"/src/*
	tar -C "$GOROOT_HOST" --exclude=./test --exclude=./doc -cf - . | tar -C "$ROOT/opt/go" -xf -
	tar -C "$REPO" --exclude=./build --exclude=./.git -cf - . | tar -C "$ROOT/src" -xf -
	# Of the cache only what the build reads; the zip files of unpacked modules are not.
	if [ -d "$MODCACHE_HOST/cache/download" ]; then
		{
			echo cache/download
			go list -deps -test -f '{{with .Module}}{{.Dir}}{{end}}' ./... | sort -u |
				while read -r dir; do
					case $dir in "$MODCACHE_HOST"/*) echo "${dir#"$MODCACHE_HOST"/}" ;; esac
				done
		} | tar -C "$MODCACHE_HOST" --exclude='*.zip' -cf - -T - | tar -C "$ROOT/opt/modcache" -xf -
	fi
}
if [ -n "${NO_MOUNT:-}" ]; then
	say "copying Go, modules and source"
	copy_all
elif mount_all; then
	say "mounted Go, modules and source"
else
	say "mounting failed: copying Go, modules and source"
	unmount_all
	copy_all
fi

# ---- the test -------------------------------------------------------------------

TESTS=("$@")
[ ${#TESTS[@]} -gt 0 ] || TESTS=(./internal/ffmpeg/...)

# GOPROXY=off: what the module cache lacks is an error, not a download. The chroot
# has its own build cache, because Go does not see that system headers differ.
step() {
	say "$*"
	in_root env PATH=/opt/go/bin:/usr/bin:/bin GOROOT=/opt/go GOMODCACHE=/opt/modcache \
		GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-buildvcs=false CGO_ENABLED=1 \
		sh -c 'cd /src && exec "$@"' sh "$@"
}

say "$(in_root ffmpeg -version | head -n 1)"
step pkg-config --modversion libavcodec libavformat libavutil
step go version
step go vet ./internal/ffmpeg
step go test -count=1 "${TESTS[@]}"
step go build -o /dev/null ./...
say "passed on Debian 13"
