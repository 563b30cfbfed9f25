import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Logger, ReceiverOptions, ScrapeNestEvents } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onFetch } from '@scrapenest-webhooks/core/fetch'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import express from 'express'
import express4 from 'express4'
import fastify, { type FastifyInstance } from 'fastify'
import fastify4 from 'fastify4'
import Koa from 'koa'
import Koa2 from 'koa2'

export const path = '/webhooks/scrapenest'

/** Runs before the host sees a request, like a platform or middleware of another framework. */
export type Before = (request: IncomingMessage, response: ServerResponse, next: () => void) => void

export interface RunningHost {
  readonly server: Server
  readonly port: number
  readonly url: string
  close(): Promise<void>
}

/** A host that serves only the webhook, at `path`. */
export interface Host {
  readonly name: string
  serve(options: ReceiverOptions<ScrapeNestEvents>, before?: Before): Promise<RunningHost>
}

interface Application {
  readonly listener: RequestListener
  close?(): Promise<void>
}

function host(name: string, create: (options: ReceiverOptions<ScrapeNestEvents>) => Promise<Application>): Host {
  return {
    name,
    async serve(options, before = (_request, _response, next) => next()) {
      const { listener, close } = await create(options)
      const server = createServer((request, response) => before(request, response, () => listener(request, response)))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      return {
        server,
        port,
        url: `http://127.0.0.1:${port}${path}`,
        async close() {
          server.closeAllConnections()
          await new Promise((resolve) => server.close(resolve))
          await close?.()
        },
      }
    },
  }
}

async function onFastifyApp(app: FastifyInstance, options: ReceiverOptions<ScrapeNestEvents>): Promise<Application> {
  await app.register(onFastify, { path, ...options })
  await app.ready()
  return {
    listener: (request, response) => void app.server.emit('request', request, response),
    close: async () => void (await app.close()),
  }
}

function onKoaApp(app: Koa, options: ReceiverOptions<ScrapeNestEvents>): Application {
  app.silent = true
  app.use(onKoa({ path, ...options }))
  return { listener: app.callback() }
}

/** Every host whose adapter reads node:http requests. */
export const nodeHosts: readonly Host[] = [
  host('node', async (options) => ({ listener: onNode({ path, ...options }) })),
  host('fastify 5', (options) => onFastifyApp(fastify(), options)),
  host('fastify 4', (options) => onFastifyApp(fastify4() as unknown as FastifyInstance, options)),
  host('koa 3', async (options) => onKoaApp(new Koa(), options)),
  host('koa 2', async (options) => onKoaApp(new Koa2() as unknown as Koa, options)),
  host('express 5', async (options) => ({ listener: express().use(onExpress({ path, ...options })) })),
  host('express 4', async (options) => ({
    listener: (express4 as unknown as typeof express)().use(onExpress({ path, ...options })),
  })),
]

/** Every host with an adapter. */
export const hosts: readonly Host[] = [
  host('fetch', async (options) => ({
    listener: getRequestListener(onFetch({ path, remoteAddress: () => '127.0.0.1', ...options })),
  })),
  ...nodeHosts,
]

/** What the operator sees: log lines by level and code, and calls of `onError`. */
export class Reports {
  readonly warnings: string[] = []
  readonly errors: string[] = []
  readonly messages: string[] = []
  readonly alarms: unknown[] = []
  readonly logger: Logger = {
    warn: (fields, message) => this.#write(this.warnings, fields, message),
    error: (fields, message) => this.#write(this.errors, fields, message),
  }
  readonly onError = (error: unknown): void => void this.alarms.push(error)

  #write(codes: string[], fields: { readonly code?: unknown }, message: string): void {
    codes.push(String(fields.code))
    this.messages.push(message)
  }
}
