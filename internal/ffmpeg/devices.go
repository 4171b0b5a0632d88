package ffmpeg

/*
#include <errno.h>
#include <stdlib.h>
#include <libavdevice/avdevice.h>
#include "rk.h"
*/
import "C"

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Device is something to capture from.
type Device struct {
	Kind        media.Kind
	Format      string // for [InputOptions]
	Name        string // for [OpenInput]
	Description string // for people
	Default     bool   // the one the system prefers
}

// listTimeout bounds the look at one kind of device: what does not answer by
// then, when nothing is recorded yet, will not serve.
const listTimeout = 3 * time.Second

// Devices lists what there is to capture of one kind: microphones, cameras or
// screens. What cannot be asked is left out; the only error is that of ctx.
func Devices(ctx context.Context, kind media.Kind) ([]Device, error) {
	var all []Device
	for _, p := range probes(kind) {
		probeCtx, cancel := context.WithTimeout(ctx, listTimeout)
		found, err := bounded(probeCtx, p)
		cancel()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ffmpeg: list devices: %w", ctx.Err())
		}
		if err != nil {
			continue
		}
		for _, d := range found {
			d.Kind = kind
			all = append(all, d)
		}
	}
	return all, nil
}

// A probe lists the devices of one of FFmpeg's formats.
type probe func(context.Context) ([]Device, error)

// bounded runs a probe and leaves it behind when ctx ends: some of the
// libraries below wait for a server for ever.
func bounded(ctx context.Context, p probe) ([]Device, error) {
	type result struct {
		devices []Device
		err     error
	}
	done := make(chan result, 1)
	go func() {
		devices, err := p(ctx)
		done <- result{devices, err}
	}()
	select {
	case r := <-done:
		return r.devices, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listed asks FFmpeg for the sources of a format.
func listed(format string) ([]Device, error) {
	cformat := C.CString(format)
	defer C.free(unsafe.Pointer(cformat))
	var list *C.struct_AVDeviceInfoList
	defer func() { C.avdevice_free_list_devices(&list) }()
	err := opening("list devices of "+format, func() C.int { return C.rk_devices_list(cformat, nil, &list) })
	if err != nil || list == nil || list.nb_devices <= 0 {
		return nil, err
	}
	var devices []Device
	for i, d := range unsafe.Slice(list.devices, int(list.nb_devices)) {
		devices = append(devices, Device{
			Format:      format,
			Name:        C.GoString(d.device_name),
			Description: C.GoString(d.device_description),
			Default:     i == int(list.default_device),
		})
	}
	return devices, nil
}
