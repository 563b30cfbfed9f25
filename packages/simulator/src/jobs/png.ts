import { encode } from 'fast-png'

export interface PngOptions {
  readonly width: number
  readonly height: number
  /** Determines the picture. */
  readonly seed: Uint8Array
  /** Stored in the file and shown by image viewers. */
  readonly comment: string
}

/** Draws colored blocks: a valid PNG that no one mistakes for a real screenshot. */
export function generatePng({ width, height, seed, comment }: PngOptions): Uint8Array {
  const palette = [[255, 255, 255], rgb(seed, 0), rgb(seed, 3)]
  const data = blocks(width, height, seed)
  return encode({ width, height, channels: 1, depth: 8, data, palette, text: { Comment: comment } })
}

/** One byte per pixel, an index into the palette. */
function blocks(width: number, height: number, seed: Uint8Array): Uint8Array {
  const size = Math.max(1, Math.ceil(Math.max(width, height) / 8))
  const pixels = new Uint8Array(width * height)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const block = Math.floor(y / size) * 8 + Math.floor(x / size)
      pixels[y * width + x] = (seed[block % seed.length] ?? 0) % 3
    }
  }
  return pixels
}

function rgb(seed: Uint8Array, at: number): number[] {
  return [0, 1, 2].map((offset) => seed[(at + offset) % seed.length] ?? 0)
}
