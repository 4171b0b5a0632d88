#!/usr/bin/env bash
#
# Record from a real V4L2 webcam and a real ALSA microphone on a machine that has neither.
#
#   scripts/test-webcam.sh BINARY [OUTDIR]          default OUTDIR: build/webcam-vm/out
#
# Virtual machines and CI runners have no camera, and their kernels rarely have the
# modules that could act as one. So this boots Debian's own kernel in QEMU, with an
# initramfs that holds busybox, the roomkit binary with its shared libraries and two
# kernel modules: vivid, a camera that draws a test picture, and snd-aloop, a sound
# card that records what is played into it. To roomkit both are real devices. QEMU
# emulates the processor (no KVM, no root), so everything in it is many times slower
# than outside: a small picture and five seconds are what fits.
#
# The recording comes out to OUTDIR and is judged there: frames, rate, duration,
# picture and tone. OUTDIR/console.log is what the machine said on its serial console.
#
# Environment:
#   LIST_COMMAND, RECORD_COMMAND   what runs in the machine ("roomkit" is BINARY);
#                                  the recording must end up below /out
#   VIDEO_SIZE=320x180             what the camera is set to before, unless the recording
#   VIDEO_FPS=25                   asks for something else. 320x180 is vivid's smallest
#   PLAIN_PCM=1                    add an ALSA device without a description, as many an
#                                  asound.conf has. FFmpeg's own list of ALSA devices
#                                  (avdevice_list_input_sources) crashes on it
#   DURATION=5                     seconds to record
#   QEMU_ACCEL=tcg                 "kvm" where that works is far quicker
#   BOOT_TIMEOUT=420               seconds for everything in the machine

set -euo pipefail

DURATION=${DURATION:-5}
LIST_COMMAND=${LIST_COMMAND-roomkit devices}
# hw:Loopback,1,0 has commas, which separate sources: asound.conf below names it loopmic.
RECORD_COMMAND=${RECORD_COMMAND:-roomkit record --participant cam=webcam:/dev/video0,mic:alsa:loopmic --duration $DURATION --output /out --json}
VIDEO_SIZE=${VIDEO_SIZE:-320x180}
VIDEO_FPS=${VIDEO_FPS:-25}
QEMU_ACCEL=${QEMU_ACCEL:-tcg}
BOOT_TIMEOUT=${BOOT_TIMEOUT:-420}
TONE=440 # Hz

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WORK=$REPO/build/webcam-vm
KERNEL=$WORK/kernel
MODULES=(virtio_pci virtio_blk vivid snd-aloop)

say() { printf '== %s\n' "$*"; }
die() {
	printf 'test-webcam: %s\n' "$*" >&2
	exit 1
}

case ${1:-} in
'' | -h | --help) sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 2 ;;
esac
BINARY=$(readlink -e "$1") || die "no such file: $1"
OUTDIR=${2:-$WORK/out}
[ "$(uname -m)" = x86_64 ] || die "only made for x86_64"

need_packages() { # command-or-file:package ...
	local pair missing=()
	for pair in "$@"; do
		[ -e "${pair%%:*}" ] || command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "missing packages, please run: sudo apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	apt-get update -q >/dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}
PATH=$PATH:/usr/sbin:/sbin # modprobe and depmod, for users other than root
need_packages qemu-system-x86_64:qemu-system-x86 cpio:cpio modprobe:kmod xz:xz-utils \
	ffprobe:ffmpeg aplay:alsa-utils v4l2-ctl:v4l-utils /usr/share/alsa/alsa.conf:libasound2-data
# busybox-static and busybox share one path; only the first needs no libraries.
if ! dpkg-query -W -f '${Status}' busybox-static 2>/dev/null | grep -q ' installed'; then
	need_packages /no-such-file:busybox-static
fi

# ---- the kernel: downloaded and unpacked, never installed -------------------------

get_kernel() {
	local package tree version
	package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ {print $2; exit}')
	[ -n "$package" ] || die "apt knows no linux-image-amd64 (apt-get update?)"
	say "downloading $package"
	rm -rf "$KERNEL" "$WORK/unpack"
	mkdir -p "$WORK/unpack" "$KERNEL.new/modules"
	# apt's warning that its user _apt may not write here is of no use to anyone.
	(
		cd "$WORK/unpack"
		apt-get download -q -o APT::Sandbox::User=root "$package"
	) || die "could not download $package"
	dpkg-deb -x "$WORK"/unpack/*.deb "$WORK/unpack/tree"
	tree=$WORK/unpack/tree
	# Newer packages have their modules below /usr/lib.
	[ -e "$tree/lib/modules" ] || ln -s usr/lib "$tree/lib"
	version=$(basename "$tree"/lib/modules/*)
	find -L "$tree/lib/modules" -name '*.ko.xz' -exec xz -d {} +
	# The package has no modules.dep: that is made where it is installed.
	depmod -b "$tree" "$version"
	cp "$tree/boot/vmlinuz-$version" "$KERNEL.new/vmlinuz"
	# modprobe lists what to load in the right order, each with what it depends on.
	local module file
	for module in "${MODULES[@]}"; do
		modprobe -C /dev/null -d "$tree" -S "$version" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
		cp "$file" "$KERNEL.new/modules/"
		basename "$file"
	done >"$KERNEL.new/order"
	for module in "${MODULES[@]}"; do
		grep -qx "$module.ko" "$KERNEL.new/order" || die "$package has no module $module"
	done
	echo "$version" >"$KERNEL.new/version"
	mv "$KERNEL.new" "$KERNEL"
	rm -rf "$WORK/unpack"
}

mkdir -p "$WORK" "$OUTDIR"
OUTDIR=$(cd "$OUTDIR" && pwd)
exec 9>"$WORK/lock"
flock -n 9 || die "another run is busy in $WORK"
rm -rf "$KERNEL.new"
[ -e "$KERNEL/version" ] || get_kernel
say "kernel $(cat "$KERNEL/version"), $(wc -l <"$KERNEL/order") modules"

# ---- the initramfs ----------------------------------------------------------------

INITRD=$WORK/initrd
rm -rf "$INITRD"
mkdir -p "$INITRD"/{bin,dev,etc,out,proc,root,run,sys,tmp,usr/bin,usr/share/alsa,modules}

LIBRARY_DIRS=
add_libraries() { # program or library ...: what it links to and the loader, each at its own path
	local file missing
	missing=$(ldd "$@" 2>/dev/null | awk '/not found/ {print $1}' | sort -u)
	[ -z "$missing" ] || die "missing shared libraries: $missing"
	while read -r file; do
		[ -e "$INITRD$file" ] || (cd / && cp -L --parents "${file#/}" "$INITRD")
		case :$LIBRARY_DIRS: in *":${file%/*}:"*) ;; *) LIBRARY_DIRS+=${LIBRARY_DIRS:+:}${file%/*} ;; esac
	done < <(ldd "$@" 2>/dev/null |
		awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// && $2 ~ /^\(/ {print $1}' | sort -u)
}

cp "$(command -v busybox)" "$INITRD/bin/busybox"
cp "$BINARY" "$INITRD/usr/bin/roomkit"
cp -L "$(command -v aplay)" "$(command -v v4l2-ctl)" "$INITRD/usr/bin/"
add_libraries "$INITRD"/usr/bin/*
cp "$KERNEL"/modules/* "$KERNEL/order" "$INITRD/modules/"

# ALSA reads its device definitions from here. Its plugins (better resamplers) are
# opened at run time where they are installed.
cp -rL /usr/share/alsa/{alsa.conf,cards,pcm} "$INITRD/usr/share/alsa/"
for plugin in /usr/lib/x86_64-linux-gnu/alsa-lib/libasound_module_rate_*.so; do
	[ -e "$plugin" ] || continue
	(cd / && cp -L --parents "${plugin#/}" "$INITRD")
	add_libraries "$plugin"
done
# What is played into device 0 of the loopback card comes out of device 1. plug
# converts, so that roomkit may ask for any format; hint says what lists show.
cat >"$INITRD/etc/asound.conf" <<'CONF'
pcm.loopmic {
	type plug
	slave.pcm "hw:Loopback,1,0"
	hint { show on description "Loopback microphone" }
}
pcm.speaker {
	type plug
	slave { pcm "hw:Loopback,0,0" format S16_LE rate 48000 channels 2 }
	hint { show off }
}
CONF
[ -z "${PLAIN_PCM:-}" ] || echo 'pcm.plain { type null }' >>"$INITRD/etc/asound.conf"
echo 'root:x:0:0:root:/root:/bin/sh' >"$INITRD/etc/passwd"

# Two seconds hold a whole number of periods: played in a circle the tone has no seam.
ffmpeg -nostdin -v error -f lavfi -i "sine=frequency=$TONE:sample_rate=48000:duration=2" \
	-af volume=12dB -ac 1 -f s16le "$INITRD/tone.raw"

{
	printf 'export LD_LIBRARY_PATH=%q\n' "$LIBRARY_DIRS"
	printf 'VIDEO_SIZE=%q\nVIDEO_FPS=%q\n' "$VIDEO_SIZE" "$VIDEO_FPS"
	printf 'BOOT_TIMEOUT=%q\n' "$BOOT_TIMEOUT"
} >"$INITRD/settings"
printf '%s\n' "$LIST_COMMAND" >"$INITRD/list.sh"
printf '%s\n' "$RECORD_COMMAND" >"$INITRD/record.sh"

cat >"$INITRD/init" <<'INIT'
#!/bin/busybox sh
# The only program of the machine. Lines that begin with "vm:" are shown to the user.
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/root XDG_RUNTIME_DIR=/run TMPDIR=/tmp LC_ALL=C
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec </dev/null >/dev/console 2>&1
. /settings
say() { echo "vm: [$(cut -d' ' -f1 /proc/uptime) s] $*"; }

say "booted Linux $(uname -r), $(grep -c ^processor /proc/cpuinfo) processors"
while read -r module; do
	case $module in
	# One device node for capture with one input, the webcam; not the 20 nodes of the default.
	vivid.ko) options="n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0" ;;
	snd-aloop.ko) options="pcm_substreams=1" ;;
	*) options= ;;
	esac
	insmod "/modules/$module" $options || say "cannot load $module"
done </modules/order
for try in 1 2 3 4 5 6 7 8 9 10; do
	[ -e /dev/video0 ] && [ -e /dev/snd/pcmC0D1c ] && [ -e /dev/vda ] && break
	sleep 1
done

# The disk is the way out: a tar archive without a file system around it.
finish() {
	dmesg >/out/dmesg.txt
	tar -C /out -cf /dev/vda .
	sync
	say "off"
	poweroff -f
}
[ -e /dev/video0 ] && [ -e /dev/snd/pcmC0D1c ] || {
	say "no camera or no sound card"
	finish
}

v4l2-ctl -d /dev/video0 --set-fmt-video="width=${VIDEO_SIZE%x*},height=${VIDEO_SIZE#*x}"
v4l2-ctl -d /dev/video0 --set-parm="$VIDEO_FPS"
if [ "$(cat /list.sh)" ]; then
	say "\$ $(cat /list.sh)"
	timeout $((BOOT_TIMEOUT / 4)) sh /list.sh >/out/devices.txt 2>/out/devices.log
	echo $? >/out/devices.status
	cat /out/devices.txt /out/devices.log
fi

(while cat /tone.raw; do :; done) 2>/dev/null |
	aplay -q -D speaker -t raw -f S16_LE -r 48000 -c 1 --buffer-time=500000 2>/out/aplay.log &
for try in 1 2 3 4 5 6 7 8 9 10; do
	grep -q RUNNING /proc/asound/card0/pcm0p/sub0/status && break
	sleep 1
done

say "\$ $(cat /record.sh)"
timeout $((BOOT_TIMEOUT / 2)) sh /record.sh >/out/record.out 2>/out/record.log
echo $? >/out/record.status
say "ended with exit code $(cat /out/record.status)"
cat /out/record.out /out/record.log
v4l2-ctl -d /dev/video0 --get-fmt-video --get-parm >/out/camera.txt
cat /out/camera.txt
finish
INIT
chmod +x "$INITRD/init"
(cd "$INITRD" && find . | cpio --quiet -o -H newc -R 0:0) >"$WORK/initrd.cpio"
say "initramfs $(du -m "$WORK/initrd.cpio" | cut -f1) MB"
rm -rf "$INITRD"

# ---- boot -----------------------------------------------------------------------

rm -f "$OUTDIR"/{console.log,dmesg.txt,aplay.log,camera.txt,devices.*,record.*,*.mp4}
rm -f "$WORK/disk"
truncate -s 512M "$WORK/disk"
say "booting with $QEMU_ACCEL, at most $BOOT_TIMEOUT s"
started=$(date +%s)
set +e
# Neither network nor screen. The memory holds the initramfs twice while it is unpacked.
# In the foreground, or Ctrl+C would not reach it.
timeout --foreground -k 5 "$BOOT_TIMEOUT" qemu-system-x86_64 -accel "$QEMU_ACCEL" -cpu max -smp 2 -m 2048 \
	-nographic -nodefaults -no-reboot -serial stdio -monitor none \
	-drive "file=$WORK/disk,format=raw,if=virtio" \
	-kernel "$KERNEL/vmlinuz" -initrd "$WORK/initrd.cpio" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off" </dev/null 2>&1 |
	tee "$OUTDIR/console.log" | sed -un 's/\r$//; s/^vm:/  /p'
status=${PIPESTATUS[0]}
set -e
took=$(($(date +%s) - started))
[ "$status" != 124 ] || die "the machine did not end within $BOOT_TIMEOUT s, see $OUTDIR/console.log"
[ "$status" = 0 ] || die "qemu ended with code $status, see $OUTDIR/console.log"
tar -C "$OUTDIR" --no-same-owner -xf "$WORK/disk" 2>/dev/null ||
	die "the machine left no result, see $OUTDIR/console.log"
# From the archive's own list: OUTDIR may hold folders of an earlier run.
FILE=$(tar -tf "$WORK/disk" | grep '\.mp4$' | sort | head -n 1 || true)
rm -f "$WORK/disk" "$WORK/initrd.cpio"
say "the machine ran for $took s"

# ---- judge ----------------------------------------------------------------------

failures=0
check() { # NAME VALUE CONDITION: an awk expression on x
	if awk -v x="$2" "BEGIN {exit !(x != \"\" && x != \"N/A\" && ($3))}"; then
		printf '   ok    %-34s %s\n' "$1" "$2"
	else
		printf '   FAIL  %-34s %s (wanted: %s)\n' "$1" "${2:-nothing}" "$3"
		failures=$((failures + 1))
	fi
}
probe() { # STREAM ENTRY
	ffprobe -v error -count_packets -select_streams "$1" -show_entries "$2" -of csv=p=0 "$FILE" |
		head -n 1 | tr -d ',' || true
}

say "results in $OUTDIR"
[ ! -e "$OUTDIR/devices.status" ] || check "exit code of the device list" "$(cat "$OUTDIR/devices.status")" "x == 0"
check "exit code of the recording" "$(cat "$OUTDIR/record.status" 2>/dev/null)" "x == 0"
if [ -e "$OUTDIR/devices.txt" ] && [ -s "$OUTDIR/devices.txt" ]; then
	check "devices listed with /dev/video0" "$(grep -c /dev/video0 "$OUTDIR/devices.txt")" "x > 0"
	# By name, or as the sound card that is behind it.
	check "devices listed with loopmic" "$(grep -c -e loopmic -e Loopback "$OUTDIR/devices.txt")" "x > 0"
fi
case " $RECORD_COMMAND " in *' --json '*)
	# Standard output must be one JSON object and nothing else.
	tr -d '[:space:]' <"$OUTDIR/record.out" 2>/dev/null >"$WORK/json" || true
	check "standard output is a JSON object" "$(grep -c '^{.*}$' "$WORK/json")" "x == 1"
	rm -f "$WORK/json"
	cp "$OUTDIR/record.out" "$OUTDIR/record.json"
	;;
esac

FILE=$OUTDIR/${FILE#./}
if [ ! -f "$FILE" ] || [ ! -s "$FILE" ]; then
	tail -n 20 "$OUTDIR/record.log" >&2 || true
	die "no MP4 was recorded, see $OUTDIR/record.log"
fi
# A measurement that fails leaves an empty value, which its check then reports.
rate=$(awk '/Frames per second/ {print $4 + 0}' "$OUTDIR/camera.txt" || true)
frames=$(probe v:0 stream=nb_read_packets)
length=$(probe v:0 stream=duration)
ffmpeg -nostdin -v error -i "$FILE" -map 0:v:0 -f framemd5 - >"$WORK/pictures" 2>"$OUTDIR/decode.log" || true
pictures=$(awk -F, '!/^#/ && !seen[$6]++ {n++} END {print n + 0}' "$WORK/pictures")
luma=$(ffmpeg -nostdin -v error -i "$FILE" -map 0:v:0 -vf signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=- -f null - |
	awk -F= '/YAVG/ {sum += $2; n++} END {if (n) print sum / n}' || true)
level() { # FILTERS: mean volume in dB
	ffmpeg -nostdin -v info -i "$FILE" -map 0:a:0 -af "$1volumedetect" -f null - 2>&1 |
		awk '/mean_volume/ {print $(NF - 1)}' || true
}
all=$(level '')
# Two narrow filters in a row leave only the tone.
narrow=bandpass=f=$TONE:width_type=h:w=60,
tone=$(level "$narrow$narrow")
silence=$(ffmpeg -nostdin -v info -i "$FILE" -map 0:a:0 -af silencedetect=n=-45dB:d=0.02 -f null - 2>&1 |
	awk '/silence_duration/ {sum += $NF} END {print sum + 0}' || true)
rm -f "$WORK/pictures"

printf '   file  %s (%s bytes), %s %s, %s\n' "${FILE#"$OUTDIR"/}" "$(stat -c %s "$FILE")" \
	"$(probe v:0 stream=codec_name)" "$(probe v:0 stream=width)x$(probe v:0 stream=height)" \
	"$(probe a:0 stream=codec_name)"
check "camera rate (frames a second)" "$rate" "x >= 10"
check "frames" "$frames" "x >= 0.9 * $DURATION * ${rate:-1e9} && x >= 10 * $DURATION"
check "different pictures" "$pictures" "x >= 0.9 * ${frames:-1e9}"
check "duration of the file (s)" "$(probe v:0 format=duration)" "x > $DURATION - 0.5 && x < $DURATION + 0.5"
check "duration of the video (s)" "$length" "x > $DURATION - 0.5 && x < $DURATION + 0.5"
check "duration of the audio (s)" "$(probe a:0 stream=duration)" "x > $DURATION - 0.5 && x < $DURATION + 0.5"
check "mean brightness (16 is black)" "$luma" "x > 30 && x < 230"
check "mean volume (dB)" "$all" "x > -30"
check "of it the tone of $TONE Hz (dB)" "$tone" "x > ${all:-99} - 3"
check "silence within the tone (s)" "$silence" "x < 0.5"
check "decoding errors" "$(wc -l <"$OUTDIR/decode.log")" "x == 0"

[ "$failures" = 0 ] || die "$failures checks failed, the recording and logs are in $OUTDIR"
say "passed: a V4L2 webcam and an ALSA microphone were recorded"
