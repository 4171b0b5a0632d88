// Prints what MP4Box.js makes of a file: {"tracks": […], "warnings": […]}.
const fs = require('node:fs')
const { createFile, Log, MP4BoxBuffer } = require('mp4box')

const warnings = []
for (const level of ['warn', 'error']) {
  Log[level] = (module, message) => warnings.push(`${module}: ${message}`)
}

const file = createFile()
const data = new Uint8Array(fs.readFileSync(process.argv[2]))
file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(data.buffer, 0), true)
file.flush()

const table = trak => ({
  id: trak.tkhd.track_id,
  timescale: trak.mdia.mdhd.timescale,
  entries: trak.mdia.minf.stbl.stsd.entries.map(e => e.type),
  edits: (trak.edts?.elst?.entries ?? []).map(e => ({ duration: e.segment_duration, media: e.media_time })),
  samples: trak.samples.map(s => ({
    dts: s.dts, cts: s.cts, duration: s.duration, size: s.size, sync: s.is_sync,
    offset: s.offset, description: s.description_index + 1
  }))
})

const moov = file.moov
if (!moov) warnings.push('no moov')
console.log(JSON.stringify({
  timescale: moov?.mvhd.timescale ?? 0,
  duration: moov?.mvhd.duration ?? 0,
  fragments: file.moofs.length,
  tracks: (moov?.traks ?? []).map(table),
  warnings
}))
