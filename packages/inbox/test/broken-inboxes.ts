import { setTimeout as sleep } from 'node:timers/promises'
import { type InboxConsumer, WebhookError } from '@scrapenest-webhooks/core'
import { codeOf, type InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import { createInboxEvent, type InboxCheckOptions } from '@scrapenest-webhooks/testing'
import type { EventStore, Lease } from '../src/event-store.ts'
import { type Inbox, type InboxCapabilities, type InboxState, memoryInbox } from '../src/index.ts'
import { readInboxOptions } from '../src/options.ts'
import { MemoryStore } from '../src/store/memory-store.ts'
import { StoredInbox } from '../src/store/stored-inbox.ts'

/** A memory inbox that breaks one rule. */
export interface BrokenInbox {
  /** Completes "an inbox that …". */
  readonly that: string
  /** The ids of the checks that must fail. */
  readonly failing: readonly string[]
  /** Creates storage, and returns a function that opens inboxes on it. */
  readonly createStorage: () => (options: InboxCheckOptions) => Inbox
}

export const brokenInboxes: readonly BrokenInbox[] = [
  {
    that: 'reports every event as stored',
    failing: ['I01', 'I02'],
    createStorage: inboxWith((inbox) => ({
      put: async (event) => {
        await inbox.put(event)
        return 'stored'
      },
    })),
  },
  {
    that: 'checks for a duplicate before it stores, in two steps',
    failing: ['I02'],
    createStorage: inboxWith((inbox) => ({
      put: async (event) => {
        const { name, scope, eventId } = event
        if ((await inbox.get(eventId, { name, scope })) !== undefined) return 'duplicate'
        await sleep(1)
        await inbox.put(event)
        return 'stored'
      },
    })),
  },
  {
    that: 'recognizes duplicates by id alone, across receivers',
    failing: ['I03'],
    createStorage: storeWith((store) => {
      const ids = new Set<string>()
      return {
        put: async (event, options) =>
          ids.size < ids.add(event.eventId).size ? await store.put(event, options) : 'duplicate',
      }
    }),
  },
  {
    that: 'drops the scope',
    failing: ['I06', 'I41'],
    createStorage: storeWith((store) => ({
      put: async ({ scope: _, ...event }, options) => await store.put(event, options),
    })),
  },
  {
    that: 'loses the signed headers',
    failing: ['I04'],
    createStorage: storeWith((store) => ({
      put: async (event, options) => await store.put({ ...event, signedHeaders: {} }, options),
    })),
  },
  {
    that: 'keeps the bytes of its caller without a copy',
    failing: ['I05'],
    createStorage: storeWith((store) => {
      const bodies = new Map<string, Uint8Array>()
      return {
        put: async (event, options) => {
          bodies.set(event.eventId, event.body)
          return await store.put(event, options)
        },
        get: async (identity) => {
          const record = await store.get(identity)
          return record && { ...record, body: bodies.get(identity.eventId) }
        },
      }
    }),
  },
  {
    that: 'decodes bytes as text',
    failing: ['I06'],
    createStorage: storeWith((store) => ({
      put: async (event, options) =>
        await store.put({ ...event, body: Buffer.from(Buffer.from(event.body).toString('utf8')) }, options),
    })),
  },
  {
    that: 'loses events put after it started',
    failing: ['I07'],
    createStorage: inboxWith((inbox) => {
      let isWorking = false
      return {
        start: async (consumer) => {
          await inbox.start(consumer)
          isWorking = true
        },
        put: async (event) => (isWorking ? 'stored' : await inbox.put(event)),
      }
    }),
  },
  {
    that: 'handles each event twice',
    failing: ['I07'],
    createStorage: handlersWith(async (process, ...parameters) => {
      await process(...parameters)
      return await process(...parameters)
    }),
  },
  {
    that: 'handles events for a consumer that does not process them',
    failing: ['I08'],
    createStorage: consumersWith((consumer) => ({ process: async () => 'handled', ...consumer })),
  },
  {
    that: 'counts every attempt as the first',
    failing: ['I09', 'I10', 'I18'],
    createStorage: storeWith((store) => ({
      claim: async (request) => {
        const { claimed, nextDueAtMs } = await store.claim(request)
        return { claimed: claimed.map((one) => ({ ...one, attempt: 1 })), nextDueAtMs }
      },
      expired: async (name, options) => (await store.expired(name, options)).map((one) => ({ ...one, attempt: 1 })),
    })),
  },
  {
    that: 'does not count failed attempts',
    failing: ['I09', 'I13'],
    createStorage: storeWith((store) => ({
      end: async (lease, ending) =>
        await store.end(lease, ending.state === 'ready' ? { ...ending, isCounted: false } : ending),
    })),
  },
  {
    that: 'keeps the last attempt, but declares that it keeps every one',
    failing: ['I09', 'I17', 'I21'],
    createStorage: inboxWith((inbox) => ({
      get: async (...parameters) => {
        const record = await inbox.get(...parameters)
        return record && { ...record, history: record.history.slice(-1) }
      },
    })),
  },
  {
    that: 'keeps every attempt, but declares that it keeps the last',
    failing: ['I09', 'I17', 'I21'],
    createStorage: declaring({ attempts: 'last' }),
  },
  {
    that: 'makes one attempt too many',
    failing: ['I10'],
    createStorage: optionsWith((options) => ({ maxAttempts: (options.maxAttempts ?? 8) + 1 })),
  },
  {
    that: 'reports nothing',
    failing: ['I10', 'I13', 'I18'],
    createStorage: consumersWith((consumer) => ({ ...consumer, report() {} })),
  },
  {
    that: 'treats every failure as a failed handler',
    failing: ['I11.1', 'I11.2', 'I11.3', 'I12'],
    createStorage: handlersWith(async (process, ...parameters) => {
      try {
        return await process(...parameters)
      } catch (error) {
        throw codeOf(error) === 'handler_failed'
          ? error
          : new WebhookError('handler_failed', undefined, { cause: error })
      }
    }),
  },
  {
    that: 'sets no time limit',
    failing: ['I13', 'I14'],
    createStorage: optionsWith(() => ({ handlerTimeoutMs: 2_000_000_000 })),
  },
  {
    that: 'lets an overdue handler keep its slot',
    failing: ['I14'],
    createStorage: optionsWith(() => ({ graceMs: 2_000_000_000 })),
  },
  {
    that: 'runs a handler for each event at once',
    failing: ['I15', 'I28', 'I29'],
    createStorage: optionsWith(() => ({ concurrency: 1000 })),
  },
  {
    that: 'runs one handler at a time',
    failing: ['I15'],
    createStorage: optionsWith(() => ({ concurrency: 1 })),
  },
  {
    that: 'passes a consumer the events of another',
    failing: ['I16'],
    createStorage: storeWith((store) => ({
      claim: async (request) => await store.claim({ ...request, name: request.name === 'one' ? 'two' : request.name }),
    })),
  },
  {
    that: 'lets an attempt end its event after it lost the lease',
    failing: ['I17'],
    createStorage: storeWith((store) => {
      const leases = new Map<string, Lease>()
      return {
        claim: async (request) => {
          const claim = await store.claim(request)
          for (const { lease } of claim.claimed) leases.set(lease.id, lease)
          return claim
        },
        end: async (lease, ending) => await store.end(leases.get(lease.id) ?? lease, ending),
      }
    }),
  },
  {
    that: 'never notices that a lease has expired',
    failing: ['I17', 'I18'],
    createStorage: storeWith(() => ({ expired: async () => [] })),
  },
  {
    that: 'does not count the attempt of a process that died',
    failing: ['I17', 'I18'],
    createStorage: storeWith((store) => ({
      end: async (lease, ending) => {
        const isGivenBack = ending.state === 'ready' && ending.error?.code === 'lease_ended'
        return await store.end(lease, isGivenBack ? { ...ending, isCounted: false } : ending)
      },
    })),
  },
  {
    that: 'lets an attempt complete an event after it was released',
    failing: ['I19'],
    createStorage: () => openUnfenced,
  },
  {
    that: 'treats unhandled events as handled',
    failing: ['I20', 'I27'],
    createStorage: handlersWith(async (process, ...parameters) => {
      await process(...parameters)
      return 'handled'
    }),
  },
  {
    that: 'continues the count of attempts after a replay',
    failing: ['I21'],
    createStorage: storeWith((store) => {
      let replays = 0
      return {
        replay: async (filter, options) => {
          replays += 1
          return await store.replay(filter, options)
        },
        claim: async (request) => {
          const { claimed, nextDueAtMs } = await store.claim(request)
          return { claimed: claimed.map((one) => ({ ...one, attempt: one.attempt + replays })), nextDueAtMs }
        },
      }
    }),
  },
  {
    that: 'replays more than the filter selects',
    failing: ['I22'],
    createStorage: storeWith((store) => ({
      replay: async ({ eventType: _, ...filter }, options) => await store.replay(filter, options),
    })),
  },
  {
    that: 'purges more than the filter selects',
    failing: ['I23'],
    createStorage: storeWith((store) => ({
      purge: async ({ finishedBefore: _, ...filter }, options) => await store.purge(filter, options),
    })),
  },
  {
    that: 'treats purged events as duplicates',
    failing: ['I23'],
    createStorage: storeWith((store) => {
      const ids = new Set<string>()
      return {
        put: async (event, options) => {
          const answer = await store.put(event, options)
          const key = `${event.name}/${event.eventId}`
          return ids.size < ids.add(key).size ? answer : 'duplicate'
        },
      }
    }),
  },
  {
    that: 'keeps bodies despite keepPayload: false',
    failing: ['I24'],
    createStorage: optionsWith(() => ({ keepPayload: true })),
  },
  {
    that: 'starts each page with the last event of the previous one',
    failing: ['I25'],
    createStorage: storeWith((store) => ({
      list: async (filter, { limit, cursor }) =>
        await store.list(filter, { limit, cursor: cursor && String(Number(cursor) + 1) }),
    })),
  },
  {
    that: 'lists bodies',
    failing: ['I25'],
    createStorage: inboxWith((inbox) => ({
      list: async (query) => {
        const { events, ...page } = await inbox.list(query)
        return { ...page, events: events.map((event) => ({ ...event, body: Buffer.alloc(0) })) }
      },
    })),
  },
  {
    that: 'ignores filters when it lists',
    failing: ['I26', 'I27'],
    createStorage: storeWith((store) => ({ list: async (_filter, page) => await store.list({}, page) })),
  },
  {
    that: 'counts running events as ready',
    failing: ['I28'],
    createStorage: inboxWith((inbox) => ({
      stats: async (options) => {
        const stats = await inbox.stats(options)
        return { ...stats, ready: stats.ready + stats.running, running: 0 }
      },
    })),
  },
  {
    that: 'does not wait for handlers when it closes',
    failing: ['I29'],
    createStorage: inboxWith((inbox) => ({ close: async (options) => await inbox.close({ ...options, graceMs: 0 }) })),
  },
  {
    that: 'counts the attempts of released events',
    failing: ['I19', 'I30'],
    createStorage: storeWith((store) => ({
      end: async (lease, ending) =>
        await store.end(lease, ending.state === 'ready' ? { ...ending, isCounted: true } : ending),
    })),
  },
  {
    that: 'cannot be restarted',
    failing: ['I19', 'I31'],
    createStorage: inboxWith((inbox) => {
      let isClosed = false
      return {
        start: async (consumer) => (isClosed ? undefined : await inbox.start(consumer)),
        close: async (options) => {
          isClosed = true
          await inbox.close(options)
        },
      }
    }),
  },
  {
    that: 'takes twice graceMs to close',
    failing: ['I37'],
    createStorage: inboxWith((inbox) => ({
      close: async (options) => {
        await inbox.close(options)
        await sleep(options?.graceMs ?? 0)
      },
    })),
  },
  {
    that: 'closes in time, but releases no events',
    failing: ['I30', 'I37', 'I38'],
    createStorage: storeWith((store) => ({
      end: async (lease, ending) => ending.state !== 'ready' && (await store.end(lease, ending)),
    })),
  },
  {
    that: 'ignores the shorter graceMs of a second close',
    failing: ['I38'],
    createStorage: inboxWith((inbox) => {
      let closed: Promise<void> | undefined
      return {
        close: async (options) => {
          closed ??= inbox.close(options)
          await closed
        },
      }
    }),
  },
  {
    that: 'ignores a second close of the same consumer',
    failing: ['I38'],
    createStorage: inboxWith((inbox) => {
      const left = new Set<InboxConsumer | undefined>()
      return {
        close: async (options) => {
          if (left.size < left.add(options?.consumer).size) await inbox.close(options)
        },
      }
    }),
  },
  {
    that: 'fails its own check',
    failing: ['I39'],
    createStorage: inboxWith(() => ({
      check: async () => {
        throw new WebhookError('store_unavailable')
      },
    })),
  },
  {
    that: 'keeps the event stored by its check',
    failing: ['I39'],
    createStorage: inboxWith((inbox) => ({
      check: async () => void (await inbox.put(createInboxEvent({ name: 'check' }))),
    })),
  },
  {
    that: 'lists by state, but declares the order of storing',
    failing: ['I40'],
    createStorage: inboxWith(listingByState),
  },
  {
    that: 'lists in the order of storing, but declares the order of states',
    failing: ['I40'],
    createStorage: declaring({ listOrder: 'state' }),
  },
  // As a package without types could.
  { that: 'declares no order', failing: ['I32'], createStorage: declaring({ listOrder: undefined as never }) },
  {
    that: 'declares that it is durable, but is not',
    failing: ['I33'],
    createStorage: () => openAlone({ isDurable: true }),
  },
  {
    that: 'declares that it is shared, but is not',
    failing: ['I34'],
    createStorage: () => openAlone({ isShared: true }),
  },
  {
    that: 'ignores filters that it does not know',
    failing: ['I35'],
    createStorage: inboxWith((inbox) => ({
      list: async (query = {}) => await inbox.list(withoutColor(query)),
      replay: async (filter) => await inbox.replay(withoutColor(filter)),
      purge: async (filter) => await inbox.purge(withoutColor(filter)),
    })),
  },
  {
    that: 'replays everything when asked for nothing',
    failing: ['I36'],
    createStorage: inboxWith((inbox) => ({
      replay: async (filter) => await inbox.replay({ state: 'dead', ...filter }),
    })),
  },
  {
    that: 'purges everything when asked for nothing',
    failing: ['I36'],
    createStorage: inboxWith((inbox) => ({
      purge: async (filter) => await inbox.purge({ ...filter, state: filter.state ?? 'done' }),
    })),
  },
]

/** Wrapped like the broken ones, with nothing broken: a check that fails there fails because of the broken rule. */
export const intactInboxes: readonly Omit<BrokenInbox, 'failing'>[] = [
  { that: 'a store', createStorage: storeWith(() => ({})) },
  { that: 'an inbox', createStorage: inboxWith(() => ({})) },
  { that: 'handlers', createStorage: handlersWith(async (process, ...parameters) => await process(...parameters)) },
]

/** Does less than others, and declares it. */
export const createModestStorage: BrokenInbox['createStorage'] = inboxWith((inbox) => ({
  ...listingByState(inbox),
  capabilities: { ...inbox.capabilities, isShared: false, attempts: 'last', listOrder: 'state', canTakeClock: false },
  get: async (...parameters) => {
    const record = await inbox.get(...parameters)
    return record && { ...record, history: record.history.slice(-1) }
  },
}))

/** Lists ready events first, then running, done and dead ones. */
function listingByState(inbox: Inbox): Pick<Inbox, 'list'> {
  const states: readonly InboxState[] = ['ready', 'running', 'done', 'dead']
  return {
    list: async ({ limit = 50, cursor = '0', ...filter } = {}) => {
      const { events } = await inbox.list({ ...filter, limit: 1000 })
      const sorted = events.toSorted((one, other) => states.indexOf(one.state) - states.indexOf(other.state))
      const end = Number(cursor) + limit
      const page = sorted.slice(Number(cursor), end)
      return end < sorted.length ? { events: page, nextCursor: String(end) } : { events: page }
    },
  }
}

function withoutColor<Filter extends object>({ color: _, ...filter }: Filter & { readonly color?: unknown }): Filter {
  // The rest is the filter, which has no `color`.
  return filter as Filter
}

/** A memory store that several inboxes can open, with some methods replaced. */
function storeWith(change: (store: EventStore) => Partial<EventStore>): BrokenInbox['createStorage'] {
  return () => {
    const store = new MemoryStore()
    const capabilities = { ...store.capabilities, isShared: true }
    const shared = changed<EventStore>(store, { capabilities, ...change(store) })
    return (options) => new StoredInbox(shared, readInboxOptions(options))
  }
}

/** An inbox on such a store with some methods replaced. */
function inboxWith(change: (inbox: Inbox) => Partial<Inbox>): BrokenInbox['createStorage'] {
  return () => {
    const open = storeWith(() => ({}))()
    return (options) => {
      const inbox = open(options)
      return changed(inbox, change(inbox))
    }
  }
}

/** An inbox on such a store that is opened with other options. */
function optionsWith(change: (options: InboxCheckOptions) => InboxCheckOptions): BrokenInbox['createStorage'] {
  return () => {
    const open = storeWith(() => ({}))()
    return (options) => open({ ...options, ...change(options) })
  }
}

/** Opens a separate store for each inbox, whatever it declares. */
function openAlone(capabilities: Partial<InboxCapabilities>): (options: InboxCheckOptions) => Inbox {
  return (options) => {
    const inbox = memoryInbox(options)
    return changed<Inbox>(inbox, { capabilities: { ...inbox.capabilities, ...capabilities } })
  }
}

/** The memory inbox with every consumer replaced. */
function consumersWith(change: (consumer: InboxConsumer) => InboxConsumer): BrokenInbox['createStorage'] {
  return inboxWith((inbox) => {
    const changedOf = new Map<InboxConsumer, InboxConsumer>()
    return {
      start: async (consumer) => {
        const other = changedOf.get(consumer) ?? change(consumer)
        changedOf.set(consumer, other)
        await inbox.start(other)
      },
      close: async ({ consumer, ...options } = {}) => {
        await inbox.close(consumer === undefined ? options : { ...options, consumer: changedOf.get(consumer) })
      },
    }
  })
}

/** The memory inbox with another way to run handlers. */
function handlersWith(
  run: (process: InboxProcessor, ...parameters: Parameters<InboxProcessor>) => ReturnType<InboxProcessor>,
): BrokenInbox['createStorage'] {
  return consumersWith((consumer) =>
    withProcess(
      consumer,
      (process) =>
        async (...parameters) =>
          await run(process, ...parameters),
    ),
  )
}

function declaring(capabilities: Partial<InboxCapabilities>): BrokenInbox['createStorage'] {
  return inboxWith((inbox) => ({ capabilities: { ...inbox.capabilities, ...capabilities } }))
}

/** Whichever attempt ends last decides, even if it lost the lease. */
function openUnfenced(options: InboxCheckOptions): Inbox {
  const leases = new Map<string, Lease>()
  const store = new MemoryStore()
  const claim: EventStore['claim'] = async (request) => {
    const claimed = await store.claim(request)
    for (const { lease, event } of claimed.claimed) leases.set(event.eventId, lease)
    return claimed
  }
  const inbox = new StoredInbox(changed<EventStore>(store, { claim }), readInboxOptions(options))
  const complete = (process: InboxProcessor): InboxProcessor => {
    return async (event, attempt) => {
      const result = await process(event, attempt)
      const lease = leases.get(event.eventId) as Lease
      const [startedAtMs, nowMs] = [Date.now(), Date.now()]
      await store.end(lease, { state: 'done', isUnhandled: false, keepsPayload: true, startedAtMs, nowMs })
      return result
    }
  }
  return changed<Inbox>(inbox, { start: async (consumer) => await inbox.start(withProcess(consumer, complete)) })
}

function withProcess(consumer: InboxConsumer, wrap: (process: InboxProcessor) => InboxProcessor): InboxConsumer {
  return { ...consumer, process: consumer.process && wrap(consumer.process) }
}

/** An object with some properties replaced. The other methods keep their `this`, which private fields need. */
function changed<Type extends object>(original: Type, changes: Partial<Type>): Type {
  return new Proxy(original, {
    get(target, key) {
      if (key in changes) return changes[key as keyof Type]
      const value = target[key as keyof Type]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
