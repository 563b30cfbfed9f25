import type { Device } from './device.ts'

const readBody = 'node/src/read-body.ts'
const openDeliveries = 'core/src/receive/open-deliveries.ts'

const captureContext = "new AsyncResource('SCRAPENEST_DELIVERY')"

const neverTakeBuffered = {
  file: readBody,
  from: 'if (stream instanceof IncomingMessage && stream.readableFlowing !== true) {',
  to: 'if (false) {',
}

/** The devices that the code has. Each patch takes one out. */
export const stayed: readonly Device[] = [
  {
    name: 'a body that has arrived is taken, against raw-body in blocks for every body',
    sizes: [500, 20_000],
    patch: { edits: [neverTakeBuffered] },
  },
  {
    name: 'a body that has arrived is taken, against raw-body alone, which bounds no memory',
    sizes: [500, 20_000],
    patch: {
      edits: [
        neverTakeBuffered,
        { file: readBody, from: 'const joined = new JoinChunks(maxBytes) pipeline(stream, joined, () => {})', to: '' },
        { file: readBody, from: 'getRawBody(joined,', to: 'getRawBody(stream,' },
      ],
    },
  },
  {
    name: 'one timer for all deadlines, against one per delivery',
    sizes: [500],
    patch: {
      edits: [
        {
          file: openDeliveries,
          from: 'position = -1 constructor(',
          to: 'position = -1\n  deadline: NodeJS.Timeout | undefined\n  constructor(',
        },
        {
          file: openDeliveries,
          from: 'timer ??= ',
          through: 'timer.ref()',
          to: `delivery.deadline = setTimeout(() => {
            if (!delivery.isAnswered) onLate(delivery)
          }, timeoutMs)`,
        },
        {
          file: openDeliveries,
          from: 'delivery.position = -1 if',
          to: 'delivery.position = -1\n      clearTimeout(delivery.deadline)\n      if',
        },
      ],
    },
  },
  {
    name: 'open deliveries in an array with swap-remove, against a Set',
    sizes: [500],
    patch: {
      edits: [
        {
          file: openDeliveries,
          from: 'const open: OpenDelivery<Context>[] = []',
          to: 'const open = new Set<OpenDelivery<Context>>()',
        },
        {
          file: openDeliveries,
          from: 'delivery.position = open.length',
          through: 'open.push(delivery)',
          to: 'open.add(delivery)',
        },
        { file: openDeliveries, from: 'if (open.length === 1)', to: 'if (open.size === 1)' },
        {
          file: openDeliveries,
          from: 'if (delivery.position === -1) return',
          through: 'if (open.length > 0) return',
          to: 'if (!open.delete(delivery) || open.size > 0) return',
        },
        { file: openDeliveries, from: 'if (open.length === 0) return', to: 'if (open.size === 0) return' },
      ],
    },
  },
  {
    name: 'JSON.parse with a reviver only where __proto__ may occur, against always',
    sizes: [500, 20_000],
    patch: {
      edits: [
        {
          file: 'core/src/verify/envelope.ts',
          from: 'const value = parse(text)',
          to: 'const value = parse(text, withoutPrototype)',
        },
        {
          file: 'core/src/verify/envelope.ts',
          from: 'return mayNamePrototype(text) ? parse(text, withoutPrototype) : value',
          to: 'return value',
        },
      ],
    },
  },
  {
    name: "Fastify's parser registered for JSON by name too, against '*' alone",
    sizes: [500],
    patch: { edits: [{ file: 'fastify/src/index.ts', from: "['application/json', '*']", to: "'*'" }] },
  },
  {
    name: 'parsed secrets are cached, against parsing for every verify()',
    measuredIn: 'verify',
    sizes: [500, 20_000],
    patch: {
      edits: [{ file: 'core/src/verify/secret.ts', from: 'if (cached !== undefined) return cached', to: '' }],
    },
  },
  {
    name: 'the async context captured by an AsyncResource, against AsyncLocalStorage.snapshot()',
    sizes: [500],
    patch: {
      edits: [
        { file: openDeliveries, from: captureContext, to: 'AsyncLocalStorage.snapshot()' },
        { file: openDeliveries, from: 'this.#resource.runInAsyncScope(run)', to: 'this.#resource(run)' },
      ],
    },
  },
  {
    name: 'the async context captured per delivery, against none',
    isGuarantee: true,
    sizes: [500],
    patch: {
      edits: [
        { file: openDeliveries, from: captureContext, to: 'undefined' },
        { file: openDeliveries, from: 'this.#resource.runInAsyncScope(run)', to: 'run()' },
      ],
    },
  },
]
