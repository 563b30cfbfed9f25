import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { countingStrays } from '../hostile/quiet.ts'
import { type Before, type Host, nodeHosts, Reports } from './hosts.ts'

const secret = generateSecret()
const method = ['setHeader', 'writeHead', 'end'] as const

/**
 * Acts like session middleware whose store fails while the session is committed. Only affects the reply: frameworks set their
 * own headers earlier.
 */
function throwingFrom(name: (typeof method)[number], times: number): Before {
  return (_request, response, next) => {
    const original = response[name] as (...values: unknown[]) => unknown
    let left = times
    response[name] = (...values: unknown[]): never => {
      const isOfFramework = name === 'setHeader' && String(values[0]).toLowerCase() !== 'content-type'
      if (!isOfFramework) left -= 1
      if (!isOfFramework && left >= 0) throw new Error('the session store is down')
      return original.apply(response, values) as never
    }
    next()
  }
}

async function send(
  host: Host,
  before: Before,
): Promise<{ readonly status: number | 'closed'; readonly handled: number; readonly strays: readonly string[] }> {
  let handled = 0
  const { result, strays } = await countingStrays(async () => {
    const reports = new Reports()
    const onEvent = {
      '*': () => {
        handled += 1
      },
    }
    const { url, close } = await host.serve({ secret, logger: reports.logger, onError() {}, onEvent }, before)
    const delivery = signDelivery(createEvent('job.created'), { secret })
    const status = await deliver(url, delivery).then(
      (reply) => reply.status,
      () => 'closed' as const,
    )
    await close()
    return status
  })
  return { status: result, handled, strays }
}

describe.each(nodeHosts)('$name', (host) => {
  it.each(method)('answers or closes the connection when %s throws, and stays alive', async (name) => {
    const { status, handled, strays } = await send(host, throwingFrom(name, 1))
    expect(strays).toEqual([])
    expect(handled).toBe(1)
    if (status !== 'closed') expect([202, 500]).toContain(status)
  })
})

// Not on Koa: Koa writes the reply, and its error handler throws again, with or without us.
describe.each(nodeHosts.filter(({ name }) => !name.startsWith('koa')))('$name', (host) => {
  it.each(method)('closes the connection when %s throws every time, and stays alive', async (name) => {
    const { status, handled, strays } = await send(host, throwingFrom(name, Number.POSITIVE_INFINITY))
    expect(strays).toEqual([])
    expect(handled).toBe(1)
    // Fastify does not call setHeader.
    expect(['closed', 202]).toContain(status)
  })
})
