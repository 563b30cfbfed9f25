import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningServer, startServer } from '../examples/running-server.ts'
import { type CodeBlock, codeBlocksOf, isRecipe, isServer } from './code-blocks.ts'
import { allPages } from './pages.ts'

// Both programs of a page must work, the one before the switch and the one after it.

const pages = (await allPages()).filter((page) => page.includes('/coming-from-'))
const secret = generateSecret()
const stripe = new Stripe('unused')
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scrapenest-coming-from-'))
  await symlink(join(import.meta.dirname, '../node_modules'), join(folder, 'node_modules'))
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe.each(pages)('%s', async (page) => {
  const servers = (await codeBlocksOf(page)).filter((block) => isRecipe(block) || isServer(block))
  const isStripe = page.includes('stripe')
  const path = isStripe ? '/webhooks/stripe' : '/webhooks/scrapenest'
  const printed = isStripe ? 'Invoice in_1 is paid' : 'Job job_1 has a new artifact'

  it('has a server before the switch and one after it', () => {
    expect([isRecipe, isServer].map((kind) => servers.filter(kind).length >= 1)).toEqual([true, true])
    expect(servers.filter(isRecipe)).toHaveLength(1)
  })

  it('begins with a server that rejects forged deliveries and handles duplicates again', async () => {
    const server = await start(servers.find(isRecipe) as CodeBlock)
    try {
      const [genuine, forged] = isStripe ? stripeDeliveries() : deliveries()
      expect(await send(server.url + path, forged)).toBe(400)
      for (const _time of ['first', 'second']) expect(await send(server.url + path, genuine)).toBeOneOf([200, 202])
      await server.printed(printed)
      expect(server.output().split(printed)).toHaveLength(3)
    } finally {
      await server.stop()
    }
  })

  it('ends with a server that handles a duplicate once', async () => {
    const server = await start(servers.at(-1) as CodeBlock)
    try {
      const [genuine] = deliveries()
      for (const _time of ['first', 'second'])
        expect(await send(`${server.url}/webhooks/scrapenest`, genuine)).toBe(202)
      await server.printed('Job job_1 has a new artifact')
      expect(server.output().split('Job job_1 has a new artifact')).toHaveLength(2)
    } finally {
      await server.stop()
    }
  })
})

it("Stripe's recipe accepts a future timestamp, as the page says", () => {
  const payload = JSON.stringify({ id: 'evt_1', object: 'event' })
  const timestamp = Math.floor(Date.now() / 1000) + 3_600
  const header = stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp })
  expect(stripe.webhooks.constructEvent(payload, header, secret)).toMatchObject({ id: 'evt_1' })
})

interface Delivery {
  readonly headers: Record<string, string>
  readonly body: Uint8Array | string
}

async function start({ page, line, code }: CodeBlock): Promise<RunningServer> {
  const file = join(folder, `${page.replaceAll('/', '-')}-${line}.ts`)
  return await startServer(async (port) => {
    await writeFile(file, code.replaceAll('3000', String(port)))
    const secrets = { SCRAPENEST_WEBHOOK_SECRET: secret, STRIPE_WEBHOOK_SECRET: secret, STRIPE_API_KEY: 'unused' }
    const environment = { ...process.env, ...secrets }
    return { program: process.execPath, arguments: [file], workingDirectory: folder, environment }
  })
}

async function send(url: string, { headers, body }: Delivery): Promise<number> {
  const init = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: Buffer.from(body) }
  const { status } = await fetch(url, init)
  return status
}

function deliveries(): readonly [genuine: Delivery, forged: Delivery] {
  const event = createEvent('artifact.ready', { data: { job_id: 'job_1' } })
  return [signDelivery(event, { secret }), signDelivery(event, { secret: generateSecret() })]
}

function stripeDeliveries(): readonly [genuine: Delivery, forged: Delivery] {
  const body = JSON.stringify({ id: 'evt_1', object: 'event', type: 'invoice.paid', data: { object: { id: 'in_1' } } })
  const signedWith = (key: string): Delivery => ({
    headers: { 'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: body, secret: key }) },
    body,
  })
  return [signedWith(secret), signedWith(generateSecret())]
}
