import * as v from 'valibot'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { createReceiver, type StandardSchema } from '../../src/index.ts'
import { answer, atStart, deliver, eventOf, recordingLogger, secret } from '../deliveries.ts'

interface PageEvents {
  'page.saved': { readonly url: URL; readonly size: number }
}
type Schema = StandardSchema<PageEvents['page.saved']>

const zodSchema = z.object({ url: z.string().transform((text) => new URL(text)), size: z.coerce.number().default(0) })
const valibotSchema = v.object({
  url: v.pipe(
    v.string(),
    v.transform((text) => new URL(text)),
  ),
  size: v.optional(v.pipe(v.unknown(), v.transform(Number), v.number()), 0),
})
const libraries: [string, Schema][] = [
  ['zod', zodSchema],
  ['valibot', valibotSchema],
]
const saved = (data: unknown) => deliver(eventOf('page.saved', data))

function receiverWith(schema: Schema) {
  const handler = vi.fn()
  const unexpected = vi.fn()
  const onError = vi.fn()
  const receiver = createReceiver<PageEvents>({
    secret,
    ...atStart,
    logger: recordingLogger(),
    onError,
    schemas: { 'page.saved': schema },
    onUnknownEvent: unexpected,
  })
  receiver.onEvent('page.*', handler)
  return { receiver, handler, onError, unexpected }
}

describe.each(libraries)('a schema of %s', (_library, schema) => {
  it('gives handlers what it made of the data', async () => {
    const { receiver, handler } = receiverWith(schema)
    const request = saved({ url: 'https://shop.example/', size: '12', other: true })
    expect(await answer(receiver, request)).toEqual({ status: 202, body: { status: 'accepted' } })
    const [event, delivery] = handler.mock.calls[0] ?? []
    expect(event).toEqual({ ...eventOf('page.saved'), data: { url: new URL('https://shop.example/'), size: 12 } })
    expect(JSON.parse(delivery.rawBody).data).toHaveProperty('other')
  })

  it('refuses data with 500 before any handler runs, and the sender may try again', async () => {
    const { receiver, handler, onError } = receiverWith(schema)
    const refused = { status: 500, body: { error: 'schema_mismatch' } }
    expect(await answer(receiver, saved({ url: 7 }))).toEqual(refused)
    expect(await answer(receiver, saved({ url: 7 }))).toEqual(refused)
    expect(handler).not.toHaveBeenCalled()
    expect(onError).toHaveBeenCalledTimes(2)
    expect(onError.mock.calls[0]?.[0]).toMatchObject({
      code: 'schema_mismatch',
      message: 'Schema mismatch: page.saved.',
      issues: [expect.objectContaining({ path: expect.any(Array) })],
    })
    expect(await answer(receiver, saved({ url: 'https://shop.example/' }))).toMatchObject({ status: 202 })
  })

  it('makes its type known, so that families and "*" see it', async () => {
    const { receiver, handler, unexpected } = receiverWith(schema)
    await answer(receiver, saved({ url: 'https://shop.example/' }))
    expect(handler).toHaveBeenCalledTimes(1)
    expect(unexpected).not.toHaveBeenCalled()
  })
})

describe('a schema', () => {
  const standard = (validate: Schema['~standard']['validate']): Schema => ({
    '~standard': { version: 1, vendor: 'test', validate },
  })

  it('may be asynchronous', async () => {
    const value = { url: new URL('https://shop.example/'), size: 1 }
    const { receiver, handler } = receiverWith(standard(async () => ({ value })))
    await answer(receiver, saved({}))
    expect(handler.mock.calls[0]?.[0].data).toBe(value)
  })

  it.each<[string, Schema['~standard']['validate'], unknown]>([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
      new Error('broken'),
    ],
    ['rejects', () => Promise.reject(new Error('broken')), new Error('broken')],
    ['gives nothing', () => undefined as never, expect.any(TypeError)],
  ])('that %s refuses the data, with the reason as cause', async (_given, validate, cause) => {
    const { receiver, onError } = receiverWith(standard(validate))
    expect(await answer(receiver, saved({}))).toEqual({ status: 500, body: { error: 'schema_mismatch' } })
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'schema_mismatch', issues: [], cause })
  })

  it('is not asked about events of other types', async () => {
    const validate = vi.fn(() => ({ issues: [] }))
    const { receiver } = receiverWith(standard(validate))
    expect((await answer(receiver, deliver(eventOf('job.created')))).status).toBe(202)
    expect(validate).not.toHaveBeenCalled()
  })
})
