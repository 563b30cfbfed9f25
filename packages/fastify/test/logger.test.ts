import type { Logger } from '@scrapenest-webhooks/core'
import { withPage } from '@scrapenest-webhooks/core/adapter'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import fastify, { type FastifyServerOptions } from 'fastify'
import fastify4 from 'fastify4'
import { describe, expect, it } from 'vitest'
import { scrapenestWebhooks } from '../src/index.ts'

const line = withPage('[scrapenest webhooks] A handler failed.', 'handler_failed')

describe.each([
  ['Fastify 5', fastify],
  ['Fastify 4', fastify4 as unknown as typeof fastify],
])('%s', (_name, framework) => {
  it("logs a failed handler with the receiver's logger when the application has none", async () => {
    expect(await linesOfFailedHandler({})).toEqual([line])
  })

  it("logs it with the application's logger if there is one", async () => {
    const written: string[] = []
    const stream = { write: (line: string) => void written.push(line) }
    expect(await linesOfFailedHandler({ logger: { level: 'error', stream } })).toEqual([])
    expect(written.map((line) => JSON.parse(line).msg)).toEqual([line])
  })

  /** The lines that the receiver's own logger gets. */
  async function linesOfFailedHandler(options: FastifyServerOptions): Promise<readonly string[]> {
    const secret = generateSecret()
    const lines: string[] = []
    const write = (_fields: object, message: string): void => void lines.push(message)
    const logger: Logger = { warn: write, error: write }
    const app = framework(options)
    const fail = (): void => {
      throw new Error('handler')
    }
    await app.register(scrapenestWebhooks, { path: '/hooks', secret, logger, onEvent: { 'job.created': fail } })
    const { headers, body } = signDelivery(createEvent('job.created'), { secret })
    const response = await app.inject({ method: 'POST', url: '/hooks', headers, payload: body })
    expect(response.statusCode).toBe(500)
    await app.close()
    return lines
  }
})
