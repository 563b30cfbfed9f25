// Runs the shared vectors, and every conformance check on every host, in a folder where npm has installed the packed packages and
// one set of frameworks. Prints the result on the last line.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { sign, verify } from '@scrapenest-webhooks/core'
import { scrapenestWebhooks as onExpress } from '@scrapenest-webhooks/express'
import { scrapenestWebhooks as onFastify } from '@scrapenest-webhooks/fastify'
import { scrapenestWebhooks as onKoa } from '@scrapenest-webhooks/koa'
import { scrapenestWebhooks as onNode } from '@scrapenest-webhooks/node'
import { conformanceChecks, conformancePath as path } from '@scrapenest-webhooks/testing'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'

const [vectorsFile] = process.argv.slice(2)
const require = createRequire(import.meta.url)
const conditions = ['bare', 'compressed', 'chunked mid-code-point', 'oversized', 'slow', 'aborted']
const failures = []

const results = { vectors: tryVectors(JSON.parse(readFileSync(vectorsFile, 'utf8'))) }
for (const [host, makeServer] of Object.entries(hosts())) results[host] = await tryHost(host, makeServer)
if (typeof require('@scrapenest-webhooks/core').verify !== 'function') failures.push('require() does not load core')
console.log(JSON.stringify({ results, failures }))

function tryVectors(vectors) {
  for (const vector of vectors) {
    const problem = vectorProblem(vector)
    if (problem !== undefined) failures.push(`${vector.name}: ${problem}`)
  }
  return vectors.length
}

function vectorProblem({ secret, messageId, timestamp, body, signature, refused }) {
  const bytes = bytesOf(body)
  const headers = { 'svix-id': messageId, 'svix-timestamp': String(timestamp), 'svix-signature': signature }
  try {
    const verified = verify({ headers, body: bytes }, secret, { now: () => timestamp * 1000 })
    if (refused !== undefined) return `accepted, not ${refused}`
    // The result is not compared: a vector may be signed with a key that `verify` accepts and `sign` does not use.
    sign({ id: messageId, timestamp, body: bytes }, secret)
    return verified.messageId === messageId ? undefined : 'another id'
  } catch (error) {
    return error.code === refused ? undefined : String(error)
  }
}

function bytesOf(body) {
  if ('utf8' in body) return Buffer.from(body.utf8, 'utf8')
  return 'hex' in body ? Buffer.from(body.hex, 'hex') : Buffer.alloc(body.times, body.repeat)
}

function hosts() {
  return {
    node: async (receiver) => createServer(onNode({ receiver, path })),
    fastify: async (receiver) => {
      const app = fastify()
      await app.register(onFastify, { receiver, path })
      await app.ready()
      return app.server
    },
    koa: async (receiver) => {
      const app = new Koa()
      app.silent = true
      app.use(onKoa({ receiver, path }))
      return createServer(app.callback())
    },
    express: async (receiver) => {
      const app = express()
      app.set('env', 'test')
      app.use(onExpress({ receiver, path }))
      return createServer(app)
    },
  }
}

async function tryHost(host, makeServer) {
  const target = {
    name: host,
    async listen(receiver) {
      const server = await makeServer(receiver)
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      return {
        port: server.address().port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            server.closeAllConnections()
          }),
      }
    },
  }
  let passed = 0
  for (const condition of conditions) {
    await Promise.all(
      conformanceChecks.map(async (check) => {
        try {
          const { cell } = await check.run(target, condition)
          if (cell === 'ours') passed += 1
        } catch (error) {
          failures.push(`${host}, ${condition}, ${check.id}: ${error.message}`)
        }
      }),
    )
  }
  return passed
}
