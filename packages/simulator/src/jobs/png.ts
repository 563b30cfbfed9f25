import { crc32, deflateSync } from 'node:zlib'

export interface PngOptions {
  readonly width: number
  readonly height: number
  /** Determines the picture. */
  readonly seed: Uint8Array
  /** Stored in the file, where image viewers show it. */
  readonly comment: string
}

/**
 * Draws colored blocks: a valid PNG that cannot be mistaken for a real screenshot.
 *
 * Not a library: node:zlib has the compression and the checksum, and what remains is four chunks. pngjs writes no comments,
 * and it and fast-png take pixels of four and three bytes, 64 and 48 MiB for the largest viewport, instead of one.
 */
export function generatePng({ width, height, seed, comment }: PngOptions): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // 8 bits per pixel, an index into the palette (color type 3).
  header.set([8, 3, 0, 0, 0], 8)
  const palette = Buffer.from([255, 255, 255, ...rgb(seed, 0), ...rgb(seed, 3)])
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('tEXt', Buffer.from(`Comment\0${comment}`, 'latin1')),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(blocks(width, height, seed))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** Each row begins with its filter type; 0 means none. */
function blocks(width: number, height: number, seed: Uint8Array): Buffer {
  const size = Math.max(1, Math.ceil(Math.max(width, height) / 8))
  const pixels = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const block = Math.floor(y / size) * 8 + Math.floor(x / size)
      pixels[y * (width + 1) + 1 + x] = (seed[block % seed.length] ?? 0) % 3
    }
  }
  return pixels
}

function rgb(seed: Uint8Array, at: number): number[] {
  return [0, 1, 2].map((offset) => seed[(at + offset) % seed.length] ?? 0)
}

function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(typed))
  return Buffer.concat([length, typed, checksum])
}
