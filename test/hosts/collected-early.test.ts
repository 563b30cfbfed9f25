import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import {
  conformancePath,
  createEvent,
  generateSecret,
  type SignedDelivery,
  signDelivery,
} from '@scrapenest-webhooks/testing'
import { expect, test } from 'vitest'
import { targets } from '../conformance/targets.ts'

const amount = 1500

/** A remembered event takes about 400. A request that stays until the next full garbage collection takes 2,000 or more. */
const maxBytesPerDelivery = 700

// Otherwise each collection of the young generation copies the dead requests, and deliveries wait for it.
test.each(targets)('requests do not outlive their delivery on $name', { timeout: 60_000 }, async ({ name }) => {
  const secret = generateSecret()
  const program = fileURLToPath(new URL('collected-early-process.ts', import.meta.url))
  const child = fork(program, [name, secret], {
    execArgv: ['--expose-gc', '--conditions=@scrapenest-webhooks/source'],
  })
  try {
    const [port] = (await once(child, 'message')) as [number]
    const oldBytes = async (): Promise<number> => {
      child.send('measure')
      const [bytes] = (await once(child, 'message')) as [number]
      return bytes
    }
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    const deliver = async (count: number): Promise<void> => {
      const one = (): Promise<void> => post({ agent, port }, signDelivery(createEvent('job.created'), { secret }))
      for (let sent = 0; sent < count; sent += 50) await Promise.all(Array.from({ length: 50 }, one))
    }
    // Code is compiled first, which also takes space in the old generation.
    await deliver(amount)
    const before = await oldBytes()
    await deliver(amount)
    const perDelivery = ((await oldBytes()) - before) / amount
    agent.destroy()
    expect(perDelivery).toBeLessThan(maxBytesPerDelivery)
  } finally {
    child.kill()
  }
})

function post(to: { readonly agent: Agent; readonly port: number }, { headers, body }: SignedDelivery): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...to, host: '127.0.0.1', method: 'POST', path: conformancePath, headers }, (response) => {
      if (response.statusCode !== 202) reject(new Error(`Expected 202, got ${response.statusCode}.`))
      response.resume().on('end', resolve)
    })
    sent.on('error', reject).end(body)
  })
}
