import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { readNodeStream } from '@scrapenest-webhooks/core/node-stream'
import { expect, it } from 'vitest'

const mebibyte = 1024 * 1024

it.each(['too large', 'broken off'])(
  'what was read of a body that is %s is let go of, also while its error is kept (an error keeps the functions of its stack)',
  async (what) => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    collect()
    const before = process.memoryUsage().arrayBuffers
    const errors: unknown[] = []
    for (let index = 0; index < 20; index += 1) {
      const stream = new Readable({ read() {} })
      const reading = readNodeStream(stream, { maxBytes: mebibyte })
      for (let piece = 0; piece < 15; piece += 1) stream.push(Buffer.alloc(mebibyte / 16))
      await new Promise((resolve) => setImmediate(resolve))
      if (what === 'too large') stream.push(Buffer.alloc(mebibyte))
      else stream.destroy()
      errors.push(await reading.catch((error: unknown) => error))
      stream.destroy()
    }
    let kept = Number.POSITIVE_INFINITY
    for (let round = 0; round < 10 && kept >= 4; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      collect()
      kept = (process.memoryUsage().arrayBuffers - before) / mebibyte
    }
    expect(errors.every((error) => error instanceof Error)).toBe(true)
    expect(kept).toBeLessThan(4)
  },
)
