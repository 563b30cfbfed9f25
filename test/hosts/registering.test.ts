import type { RequestListener } from 'node:http'
import Router from '@koa/router'
import type { ReceiverOptions, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onFetch } from '@scrapenest-webhooks/core/fetch'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import Koa from 'koa'
import mount from 'koa-mount'
import Koa2 from 'koa2'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listen, path } from './apps.ts'

const secret = generateSecret()

/** Calls each adapter with any value, as JavaScript can. Rejects with what it throws. */
const adapters = [
  {
    name: 'fastify',
    register: async (options: unknown) => void (await fastify().register(onFastify, options as never)),
  },
  { name: 'koa', register: async (options: unknown) => void onKoa(options as never) },
  { name: 'express', register: async (options: unknown) => void onExpress(options as never) },
  { name: 'node', register: async (options: unknown) => void onNode(options as never) },
  { name: 'fetch', register: async (options: unknown) => void onFetch(options as never) },
]

describe.each(adapters)('the options on $name', ({ name, register }) => {
  const invalid = (message: RegExp) => ({ code: 'configuration_invalid', message: expect.stringMatching(message) })

  it('are listed, and a similar one is suggested, when one is unknown', async () => {
    const misspelled = register({ path, secret, toleranceSecond: 5 })
    await expect(misspelled).rejects.toMatchObject(invalid(/\bpath, .*Did you mean toleranceSeconds\?/))
  })

  it('must have an absolute path', async () => {
    await expect(register({ path: 'hooks', secret })).rejects.toMatchObject(
      invalid(/^Expected path to be an absolute path/),
    )
  })

  it('are listed when there are none', async () => {
    // Fastify passes an empty object to a plugin without options.
    const named = name === 'fastify' ? /^Expected path to be/ : /^Expected the options to be .*path, secret, onEvent/
    await expect(register(undefined)).rejects.toMatchObject(invalid(named))
  })
})

type Options = ReceiverOptions<ScrapeNestEvents>

interface Application {
  readonly name: string
  /** An application with two registrations. */
  create(first: Options, second: Options): RequestListener
}

function expressApps(name: string, framework: typeof express | typeof express4) {
  const create = framework as typeof express
  const twice: Application[] = [
    {
      name: `${name}, used twice`,
      create: (first, second) =>
        create()
          .use(onExpress({ path, ...first }))
          .use(onExpress({ path, ...second })),
    },
    {
      name: `${name}, on two routes`,
      create: (first, second) => create().post(path, onExpress(first)).post(path, onExpress(second)),
    },
    {
      name: `${name}, used and mounted`,
      create: (first, second) =>
        create()
          .use(onExpress({ path, ...first }))
          .use('/webhooks', onExpress({ path: '/scrapenest', ...second })),
    },
  ]
  const apart: Application[] = [
    {
      name: `${name}, at two paths`,
      create: (first, second) =>
        create()
          .use(onExpress({ path, ...first }))
          .use(onExpress({ path: '/other', ...second })),
    },
    {
      name: `${name}, with one path below two mounts`,
      create: (first, second) =>
        create()
          .use('/webhooks', onExpress({ path: '/scrapenest', ...first }))
          .use('/other', onExpress({ path: '/scrapenest', ...second })),
    },
    {
      name: `${name}, on routes of two methods`,
      create: (first, second) => create().post(path, onExpress(first)).put(path, onExpress(second)),
    },
  ]
  return { twice, apart }
}

function koaApps(name: string, Framework: typeof Koa) {
  const twice: Application[] = [
    {
      name: `${name}, used twice`,
      create: (first, second) =>
        new Framework()
          .use(onKoa({ path, ...first }))
          .use(onKoa({ path, ...second }))
          .callback(),
    },
    {
      name: `${name}, on two routes`,
      create: (first, second) => {
        const router = new Router().post(path, onKoa(first)).post(path, onKoa(second))
        return new Framework().use(router.routes() as never).callback()
      },
    },
  ]
  const apart: Application[] = [
    {
      name: `${name}, at two paths`,
      create: (first, second) =>
        new Framework()
          .use(onKoa({ path, ...first }))
          .use(onKoa({ path: '/other', ...second }))
          .callback(),
    },
    {
      name: `${name}, with one path below two mounts`,
      create: (first, second) =>
        new Framework()
          .use(mount('/webhooks', onKoa({ path: '/scrapenest', ...first }) as never))
          .use(mount('/other', onKoa({ path: '/scrapenest', ...second }) as never))
          .callback(),
    },
  ]
  return { twice, apart }
}

const hosts = [
  expressApps('express 5', express),
  expressApps('express 4', express4),
  koaApps('koa 3', Koa),
  koaApps('koa 2', Koa2 as unknown as typeof Koa),
]

/** Sends two deliveries. @returns the reports of both registrations. */
async function reportsOf({ create }: Application): Promise<readonly string[]> {
  const reports: string[] = []
  const options = { secret, onError: (error: unknown) => reports.push((error as Error).message), logger: silent }
  const app = await listen(create(options, options))
  onTestFinished(() => app.close())
  for (const type of ['job.created', 'job.completed'] as const) {
    const { status } = await deliver(app.origin + path, signDelivery(createEvent(type), { secret }))
    expect(status).toBe(202)
  }
  return reports
}

const silent = { warn: () => {}, error: () => {} }

describe('a second registration for the same path', () => {
  it.each(hosts.flatMap(({ twice }) => twice))('is reported at the first delivery: $name', async (application) => {
    expect(await reportsOf(application)).toEqual([
      expect.stringContaining(`scrapenestWebhooks is registered twice for ${path}`),
    ])
  })

  it.each(hosts.flatMap(({ apart }) => apart))('is not reported when the paths differ: $name', async (application) => {
    expect(await reportsOf(application)).toEqual([])
  })

  it('is rejected by fastify', async () => {
    const app = fastify()
    await app.register(onFastify, { path, secret })
    const again = app.register(onFastify, { path, secret, decorateAs: 'second' })
    await expect(again).rejects.toMatchObject({ code: 'configuration_invalid' })
  })

  it('is reported by node and handles nothing', async () => {
    const handled: string[] = []
    const reports: string[] = []
    const options = (name: string) => ({
      path,
      secret,
      logger: silent,
      onEvent: { '*': () => void handled.push(name) },
      onError: (error: unknown) => reports.push(`${name}: ${(error as Error).message}`),
    })
    const app = await listen(onNode(options('first')))
    onTestFinished(() => app.close())
    app.server.on('request', onNode(options('second')))
    for (const type of ['job.created', 'job.completed'] as const) {
      await deliver(app.origin + path, signDelivery(createEvent(type), { secret }))
    }
    expect(handled).toEqual(['first', 'first'])
    expect(reports).toEqual([expect.stringContaining(`second: scrapenestWebhooks is registered twice for ${path}`)])
  })
})
