import { benchSecret } from '../child-server.ts'
import type { Device } from './device.ts'

const receiver = 'core/src/receive/receiver.ts'
const pipeline = 'core/src/receive/pipeline.ts'
const openDeliveries = 'core/src/receive/open-deliveries.ts'
const claim = 'core/src/handle/claim.ts'
const handlers = 'core/src/handle/handlers.ts'
const duplicates = 'core/src/handle/duplicates.ts'
const secret = 'core/src/verify/secret.ts'
const verify = 'core/src/verify/verify.ts'
const signatureHeaders = 'core/src/verify/signed-headers.ts'
const envelope = 'core/src/verify/envelope.ts'
const fastify = 'fastify/src/index.ts'

/** What it signs is verified by the second key of the server's secret. */
const textKey = Buffer.from(benchSecret)

/** The devices that were in the code and are not any more. Each patch puts one back in. */
export const went: readonly Device[] = [
  {
    name: 'handled events in a seeded hash table of numbers',
    sizes: [500],
    patch: {
      module: './hash-table.ts',
      edits: [
        { file: duplicates, from: 'let younger = new Map<string, number>()', to: 'let younger = new HashTable()' },
        { file: duplicates, from: 'let older = new Map<string, number>()', to: 'let older = new HashTable()' },
        { file: duplicates, from: 'younger = new Map()', to: 'younger = new HashTable()' },
        {
          file: duplicates,
          imports: 'HashTable, hashOf',
          from: 'const rememberedUntilMs = younger.get(key) ?? older.get(key)',
          to: 'const hash = hashOf(key)\n      const rememberedUntilMs = younger.get(key, hash) ?? older.get(key, hash)',
        },
      ],
    },
  },
  {
    name: 'latin1Slice for ASCII bodies',
    sizes: [500, 20_000],
    patch: {
      edits: [
        {
          file: envelope,
          from: "import { WebhookError } from '../errors.ts'",
          to: "import { isAscii } from 'node:buffer'\nimport { WebhookError } from '../errors.ts'",
        },
        {
          file: envelope,
          from: 'text = utf8.decode(body)',
          to: 'text = isAscii(body) ? Buffer.prototype.latin1Slice.call(body) : utf8.decode(body)',
        },
      ],
    },
  },
  {
    name: 'no await for what is not a promise',
    sizes: [500],
    patch: {
      module: './thenable.ts',
      edits: [
        {
          file: claim,
          imports: 'isThenable',
          from: 'export async function claimEvent(',
          through: 'await storeCall(() => duplicates.claim(key, { expiresInMs }))',
          to: `export function claimEvent(duplicates: DuplicateStore, key: string) {
            const claiming = storeCall(() => duplicates.claim(key, { expiresInMs }))
            if (isThenable(claiming)) return claiming.then((result) => readResult(duplicates, key, result))
            return readResult(duplicates, key, claiming)
          }
          function readResult(duplicates: DuplicateStore, key: string, result: ClaimResult | undefined) {`,
        },
        {
          file: claim,
          from: 'async function storeCall<Result>(',
          through: 'return await call() } catch (error) {',
          to: `function storeCall(call) {
            try {
              const result = call()
              if (!isThenable(result)) return result
              return Promise.resolve(result).catch((error) => {
                throw asWebhookError('store_unavailable', error)
              })
            } catch (error) {`,
        },
        {
          file: handlers,
          imports: 'runHandlers',
          from: 'async run(event, delivery) {',
          to: `run(event, delivery) {
            const handlers = byType.get(event.event_type)
            if (handlers === undefined || schemas.has(event.event_type)) return this.runAwaiting(event, delivery)
            const failures = []
            const finish = () => {
              if (failures.length > 0) return { error: combineFailures(failures), failures }
              return handlers.length > 0 ? { result: 'handled' } : endUnhandled(event.event_type)
            }
            return runHandlers(handlers, event, delivery, failures)?.then(finish) ?? finish()
          },
          async runAwaiting(event, delivery) {`,
        },
        {
          file: pipeline,
          imports: 'isThenable',
          from: 'const found = await settings.secrets.find(request, context)',
          to: `const finding = settings.secrets.find(request, context)
            const found = isThenable(finding) ? await finding : finding`,
        },
        {
          file: pipeline,
          from: 'const claim = await claimEvent(',
          through: 'if (claim === undefined)',
          to: `const claiming = claimEvent(
              duplicates,
              eventKey({ name, scope: message.scope, eventId: event.event_id }),
            )
            const claim = isThenable(claiming) ? await claiming : claiming
            if (claim === undefined)`,
        },
        {
          file: pipeline,
          from: 'const result = await runHandlers(',
          through: 'delivery)',
          to: `const running = runHandlers(event, { ...message, attempt: 1, signal, context: delivery.context }, delivery)
            const result = isThenable(running) ? await running : running`,
        },
        {
          file: pipeline,
          from: 'await (isRetried ? claim.release() : claim.complete()).catch(reportFailure)',
          to: `try {
            const ending = isRetried ? claim.release() : claim.complete()
            if (isThenable(ending)) await ending
          } catch (error) {
            reportFailure(error)
          }`,
        },
        {
          file: pipeline,
          from: 'async function runHandlers(',
          through: "isUnhandled: dispatch.result === 'unhandled' }",
          to: `function runHandlers(event, handlerDelivery, delivery) {
            const finish = (dispatch) => {
              if (!('error' in dispatch))
                return { acknowledgement: 'accepted', isUnhandled: dispatch.result === 'unhandled' }
              reporter.reportHandlerFailures(dispatch.failures, delivery)
              return { error: dispatch.error }
            }
            const running = handlers.run(event, handlerDelivery)
            return isThenable(running) ? running.then(finish) : finish(running)`,
        },
      ],
    },
  },
  {
    name: "the request as a class with getters, on Fastify's adapter",
    sizes: [500],
    patch: {
      edits: [
        {
          file: fastify,
          from: '{ method: request.method, url: request.url, headers: request.headers,',
          through: 'return loggerOf(request) }, }',
          to: 'new FastifyDelivery(request, replacedStreams)',
        },
        {
          file: fastify,
          from: 'async function register(',
          to: `class FastifyDelivery {
            declare readonly method: string
            declare readonly url: string
            declare readonly headers: object
            #request
            #replacedStreams
            constructor(request, replacedStreams) {
              this.method = request.method
              this.url = request.url
              this.headers = request.headers
              this.#request = request
              this.#replacedStreams = replacedStreams
            }
            body(limits) {
              const { raw } = this.#request
              const stream = this.#replacedStreams.get(raw)
              return readRawBody({ request: raw, kept: [() => raw.rawBody], stream, fix }, limits)
            }
            get remoteAddress() {
              return this.#request.ip
            }
            get logger() {
              return loggerOf(this.#request)
            }
          }
          async function register(`,
        },
      ],
    },
  },
  {
    name: 'an AbortController only when a handler reads signal',
    sizes: [500],
    patch: {
      module: './abortable-delivery.ts',
      edits: [
        {
          file: pipeline,
          imports: 'AbortableDelivery',
          from: 'delivery.controller = new AbortController() const { signal } = delivery.controller',
          to: `const abortable = new AbortableDelivery(message, delivery.context)
            delivery.controller = abortable`,
        },
        {
          file: pipeline,
          from: 'runHandlers(event, { ...message, attempt: 1, signal, context: delivery.context }, delivery)',
          to: 'runHandlers(event, abortable, delivery)',
        },
      ],
    },
  },
  {
    name: 'open deliveries in a linked ring',
    sizes: [500],
    patch: {
      module: './linked-ring.ts',
      edits: [
        {
          file: receiver,
          imports: 'createOpenDeliveries',
          from: 'import { createOpenDeliveries, OpenDelivery }',
          to: 'import { OpenDelivery }',
        },
        {
          file: openDeliveries,
          from: 'position = -1 constructor(',
          to: 'older: unknown\n  newer: unknown\n  constructor(',
        },
      ],
    },
  },
  {
    name: 'HMAC as two calls of crypto.hash in shared buffers',
    sizes: [500, 20_000],
    patch: {
      module: './one-shot-hmac.ts',
      edits: [
        {
          file: secret,
          imports: 'signingKey',
          from: 'keys: [createSecretKey(bytes), createSecretKey(Buffer.from(secret))]',
          to: 'keys: [signingKey(bytes), signingKey(Buffer.from(secret))]',
        },
        {
          file: secret,
          from: "return Buffer.from(createHmac('sha256', key).update(prefix).update(body).digest('base64'))",
          to: 'return key.mac(prefix, body)',
        },
        {
          file: signatureHeaders,
          from: 'signatures.push(Buffer.from(base64))',
          to: 'signatures.push(base64)',
        },
        {
          file: verify,
          imports: 'isSame',
          from: 'timingSafeEqual(signature, digest)',
          to: 'isSame(signature, digest)',
        },
      ],
    },
  },
  {
    name: 'signatures decoded to 32 bytes and digest(), against base64 text as bytes',
    measuredIn: 'verify',
    sizes: [500, 20_000],
    patch: {
      edits: [
        {
          file: secret,
          from: "return Buffer.from(createHmac('sha256', key).update(prefix).update(body).digest('base64'))",
          to: "return createHmac('sha256', key).update(prefix).update(body).digest()",
        },
        {
          file: signatureHeaders,
          from: 'signatures.push(Buffer.from(base64))',
          to: "signatures.push(Buffer.from(base64, 'base64'))",
        },
      ],
    },
  },
  {
    name: 'the key that matched last is tried first, the sender using the second',
    sizes: [500, 20_000],
    senderKey: textKey,
    patch: {
      edits: [
        {
          file: verify,
          from: 'if (signatures.some((signature) => timingSafeEqual(signature, digest)))',
          to: `const isMatch = signatures.some((signature) => timingSafeEqual(signature, digest))
            if (isMatch && key !== keys[0]) keys.reverse()
            if (isMatch)`,
        },
      ],
    },
  },
  {
    name: 'signatures split by hand, by a grammar without counts',
    sizes: [500],
    patch: {
      edits: [
        {
          file: signatureHeaders,
          from: 'const signatureGrammar = ',
          through: ',?$/',
          to: "const signatureGrammar = /^v1,[A-Za-z0-9+/]+[AEIMQUYcgkosw048]=,?$/\nconst tokenLength = 'v1,'.length + 44",
        },
        {
          file: signatureHeaders,
          from: 'function readSignatures(list: unknown): readonly Uint8Array[] {',
          through: 'if (signatures.length === 0)',
          to: `function readSignatures(value: unknown): readonly Uint8Array[] {
            const list = typeof value === 'string' ? value : ''
            const signatures: Uint8Array[] = []
            for (let start = 0, count = 0; start < list.length && count < maxSignatures; ) {
              const space = list.indexOf(' ', start)
              const token = list.slice(start, space < 0 ? undefined : space)
              start += token.length + 1
              if (token === '') continue
              count += 1
              if (token[tokenLength - 1] === '=' && signatureGrammar.test(token)) {
                signatures.push(Buffer.from(token.slice('v1,'.length, tokenLength)))
              }
            }
            if (signatures.length === 0)`,
        },
      ],
    },
  },
  {
    name: 'the route does not return the promise of the reply to Fastify',
    sizes: [500],
    patch: {
      edits: [
        { file: fastify, from: 'handler: handle,', to: 'handler: (request, reply) => void handle(request, reply),' },
      ],
    },
  },
]
