import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigurationError, type InboxConsumer, WebhookError } from '@scrapenest-webhooks/core'
import { codeOf, type InboxProcessor } from '@scrapenest-webhooks/core/adapter'
import { createInboxEvent, type InboxCheckOptions } from '@scrapenest-webhooks/testing'
import type { EventStore, Lease } from '../src/event-store.ts'
import { type Inbox, type InboxCapabilities, type InboxFilter, memoryInbox } from '../src/index.ts'
import { readInboxOptions } from '../src/options.ts'
import { MemoryStore } from '../src/store/memory-store.ts'
import { StoredInbox } from '../src/store/stored-inbox.ts'

/** An inbox in memory that breaks one promise. */
export interface BrokenInbox {
  /** Completes "an inbox that …". */
  readonly that: string
  /** The ids of the checks that must notice. */
  readonly failing: readonly string[]
  readonly open: (options: InboxCheckOptions) => Inbox
}

export const brokenInboxes: readonly BrokenInbox[] = [
  {
    that: 'says "stored" twice',
    failing: ['I01', 'I02'],
    open: inboxWith((inbox) => ({
      put: async (event) => {
        await inbox.put(event)
        return 'stored'
      },
    })),
  },
  {
    that: 'looks whether it has an event, and stores it afterwards',
    failing: ['I02'],
    open: inboxWith((inbox) => ({
      put: async (event) => {
        if ((await inbox.get(event.eventId, event)) !== undefined) return 'duplicate'
        await sleep(1)
        await inbox.put(event)
        return 'stored'
      },
    })),
  },
  {
    that: 'takes the id of another receiver for a duplicate',
    failing: ['I03'],
    open: storeWith((store) => {
      const ids = new Set<string>()
      return {
        put: async (event, options) =>
          ids.size < ids.add(event.eventId).size ? await store.put(event, options) : 'duplicate',
      }
    }),
  },
  {
    that: 'does not keep the signed headers',
    failing: ['I04'],
    open: storeWith((store) => ({
      put: async (event, options) => await store.put({ ...event, signedHeaders: {} }, options),
    })),
  },
  {
    that: 'keeps the bytes of its caller',
    failing: ['I05'],
    open: storeWith((store) => {
      const bodies = new Map<string, Uint8Array>()
      return {
        put: async (event, options) => {
          bodies.set(event.eventId, event.body)
          return await store.put(event, options)
        },
        get: async (eventId, name) => {
          const record = await store.get(eventId, name)
          return record && { ...record, body: bodies.get(eventId) }
        },
      }
    }),
  },
  {
    that: 'takes bytes for text',
    failing: ['I06'],
    open: storeWith((store) => ({
      put: async (event, options) =>
        await store.put({ ...event, body: Buffer.from(Buffer.from(event.body).toString('utf8')) }, options),
    })),
  },
  {
    that: 'loses what comes while it works',
    failing: ['I07'],
    open: inboxWith((inbox) => {
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
    open: handlersWith(async (process, ...parameters) => {
      await process(...parameters)
      return await process(...parameters)
    }),
  },
  {
    that: 'works where nobody processes',
    failing: ['I08'],
    open: consumersWith((consumer) => ({ process: async () => 'handled', ...consumer })),
  },
  {
    that: 'counts no attempt but the first',
    failing: ['I09', 'I10', 'I18'],
    open: storeWith((store) => ({
      claim: async (request) => {
        const { claimed, nextDueAtMs } = await store.claim(request)
        return { claimed: claimed.map((one) => ({ ...one, attempt: 1 })), nextDueAtMs }
      },
      expired: async (name, options) => (await store.expired(name, options)).map((one) => ({ ...one, attempt: 1 })),
    })),
  },
  {
    that: 'does not count attempts that failed',
    failing: ['I09', 'I13'],
    open: storeWith((store) => ({
      end: async (lease, ending) =>
        await store.end(lease, ending.state === 'ready' ? { ...ending, isCounted: false } : ending),
    })),
  },
  {
    that: 'keeps the last attempt, and says that it keeps every one',
    failing: ['I09', 'I17', 'I21'],
    open: inboxWith((inbox) => ({
      get: async (...parameters) => {
        const record = await inbox.get(...parameters)
        return record && { ...record, history: record.history.slice(-1) }
      },
    })),
  },
  {
    that: 'keeps every attempt, and says that it keeps the last',
    failing: ['I09', 'I17', 'I21'],
    open: saying({ attempts: 'last' }),
  },
  {
    that: 'tries once too often',
    failing: ['I10'],
    open: (options) => memoryInbox({ ...options, maxAttempts: (options.maxAttempts ?? 8) + 1 }),
  },
  {
    that: 'tells nothing',
    failing: ['I10', 'I13', 'I18'],
    open: consumersWith((consumer) => ({ ...consumer, report() {} })),
  },
  {
    that: 'takes every failure for one of the handler',
    failing: ['I11.1', 'I11.2', 'I11.3', 'I12'],
    open: handlersWith(async (process, ...parameters) => {
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
    open: (options) => memoryInbox({ ...options, handlerTimeoutMs: 2_000_000_000 }),
  },
  {
    that: 'lets an overdue handler keep its place',
    failing: ['I14'],
    open: (options) => memoryInbox({ ...options, graceMs: 2_000_000_000 }),
  },
  {
    that: 'runs as many handlers as there are events',
    failing: ['I15', 'I28', 'I29'],
    open: (options) => memoryInbox({ ...options, concurrency: 1000 }),
  },
  {
    that: 'gives a consumer the events of another',
    failing: ['I16'],
    open: storeWith((store) => ({
      claim: async (request) => await store.claim({ ...request, name: request.name === 'one' ? 'two' : request.name }),
    })),
  },
  {
    that: 'lets an attempt end that has lost its event',
    failing: ['I17'],
    open: storeWith((store) => {
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
    that: 'never finds out that a lease has ended',
    failing: ['I17', 'I18'],
    open: storeWith(() => ({ expired: async () => [] })),
  },
  {
    that: 'does not count the attempt of a process that died',
    failing: ['I17', 'I18'],
    open: storeWith((store) => ({
      end: async (lease, ending) => {
        const isGivenBack = ending.state === 'ready' && ending.error?.code === 'lease_ended'
        return await store.end(lease, isGivenBack ? { ...ending, isCounted: false } : ending)
      },
    })),
  },
  { that: 'lets a second complete through, of an event it gave back', failing: ['I19'], open: openUnfenced },
  {
    that: 'takes what nobody handled for handled',
    failing: ['I20', 'I27'],
    open: handlersWith(async (process, ...parameters) => {
      await process(...parameters)
      return 'handled'
    }),
  },
  {
    that: 'counts on after a replay',
    failing: ['I21'],
    open: storeWith((store) => {
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
    open: storeWith((store) => ({
      replay: async ({ eventType: _, ...filter }, options) => await store.replay(filter, options),
    })),
  },
  {
    that: 'purges more than the filter selects',
    failing: ['I23'],
    open: storeWith((store) => ({
      purge: async ({ finishedBefore: _, ...filter }, options) => await store.purge(filter, options),
    })),
  },
  {
    that: 'still knows what it has purged',
    failing: ['I23'],
    open: storeWith((store) => {
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
    that: 'keeps what it was told to drop',
    failing: ['I24'],
    open: (options) => memoryInbox({ ...options, keepPayload: true }),
  },
  {
    that: 'says that it cannot drop bodies, and takes the option',
    failing: ['I24'],
    open: saying({ canDropPayload: false }),
  },
  {
    that: 'begins each page with the last event of the page before',
    failing: ['I25'],
    open: storeWith((store) => ({
      list: async (filter, { limit, cursor }) =>
        await store.list(filter, { limit, cursor: cursor && String(Number(cursor) + 1) }),
    })),
  },
  {
    that: 'lists bodies',
    failing: ['I25'],
    open: inboxWith((inbox) => ({
      list: async (query) => {
        const { events, ...page } = await inbox.list(query)
        return { ...page, events: events.map((event) => ({ ...event, body: Buffer.alloc(0) })) }
      },
    })),
  },
  {
    that: 'lists everything',
    failing: ['I26', 'I27'],
    open: storeWith((store) => ({ list: async (_filter, page) => await store.list({}, page) })),
  },
  {
    that: 'counts as ready what runs',
    failing: ['I28', 'I30'],
    open: inboxWith((inbox) => ({
      stats: async (options) => {
        const stats = await inbox.stats(options)
        return { ...stats, ready: stats.ready + stats.running, running: 0 }
      },
    })),
  },
  {
    that: 'does not wait for handlers when it closes',
    failing: ['I29'],
    open: inboxWith((inbox) => ({ close: async (options) => await inbox.close({ ...options, graceMs: 0 }) })),
  },
  {
    that: 'counts the attempt that it gives back',
    failing: ['I19', 'I30'],
    open: storeWith((store) => ({
      end: async (lease, ending) =>
        await store.end(lease, ending.state === 'ready' ? { ...ending, isCounted: true } : ending),
    })),
  },
  {
    that: 'cannot be started again',
    failing: ['I19', 'I31'],
    open: inboxWith((inbox) => {
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
    that: 'takes twice the time it was given to close',
    failing: ['I37'],
    open: inboxWith((inbox) => ({
      close: async (options) => {
        await inbox.close(options)
        await sleep(options?.graceMs ?? 0)
      },
    })),
  },
  {
    that: 'closes in time and gives nothing back',
    failing: ['I30', 'I37', 'I38'],
    open: storeWith((store) => ({
      end: async (lease, ending) => ending.state !== 'ready' && (await store.end(lease, ending)),
    })),
  },
  {
    that: 'closes no sooner when it is closed again',
    failing: ['I38'],
    open: inboxWith((inbox) => {
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
    that: 'forgets a consumer that is leaving',
    failing: ['I38'],
    open: inboxWith((inbox) => {
      const left = new Set<InboxConsumer | undefined>()
      return {
        close: async (options) => {
          if (left.size < left.add(options?.consumer).size) await inbox.close(options)
        },
      }
    }),
  },
  {
    that: 'never passes its own check',
    failing: ['I39'],
    open: inboxWith(() => ({
      check: async () => {
        throw new WebhookError('store_unavailable')
      },
    })),
  },
  {
    that: 'leaves behind what it was checked with',
    failing: ['I39'],
    open: inboxWith((inbox) => ({
      check: async () => void (await inbox.put(createInboxEvent({ name: 'check' }))),
    })),
  },
  {
    that: 'names a filter that there is none of',
    failing: ['I32'],
    open: saying({ filters: ['eventId', 'state', 'colour' as keyof InboxFilter] }),
  },
  { that: 'cannot select by id, and says so', failing: ['I32'], open: saying({ filters: ['state'] }) },
  { that: 'says that it is durable, and is not', failing: ['I33'], open: saying({ isDurable: true }) },
  { that: 'says that it is shared, and is not', failing: ['I34'], open: saying({ isShared: true }) },
  {
    that: 'says that it cannot filter, and lists whatever fits the rest',
    failing: ['I35'],
    open: saying({ filters: ['eventId', 'state', 'name'] }),
  },
  {
    that: 'says that it cannot replay what is done, and answers all the same',
    failing: ['I36'],
    open: saying({ replayableStates: ['dead'] }),
  },
]

/** Made as the broken ones are, with nothing broken: what fails in those is what they break. */
export const wholeInboxes: readonly Omit<BrokenInbox, 'failing'>[] = [
  { that: 'a store', open: storeWith(() => ({})) },
  { that: 'an inbox', open: inboxWith(() => ({})) },
  { that: 'handlers', open: handlersWith(async (process, ...parameters) => await process(...parameters)) },
]

/** Does less than others, says so, and refuses the rest: that is allowed. */
export function openModestInbox(options: InboxCheckOptions): Inbox {
  const capabilities = {
    filters: ['name', 'eventId', 'state'],
    replayableStates: ['dead'],
    attempts: 'last',
    canDropPayload: false,
    canTakeClock: false,
  } satisfies Partial<InboxCapabilities>
  if ('keepPayload' in options) throw new ConfigurationError('This inbox keeps every body.')
  const refuseOthers = (filter: InboxFilter): void => {
    const known: readonly string[] = [...capabilities.filters, 'limit', 'cursor']
    if (!Object.keys(filter).every((name) => known.includes(name))) throw new ConfigurationError('No such filter.')
  }
  return inboxWith((inbox) => ({
    capabilities: { ...inbox.capabilities, ...capabilities },
    get: async (...parameters) => {
      const record = await inbox.get(...parameters)
      return record && { ...record, history: record.history.slice(-1) }
    },
    list: async (query = {}) => {
      refuseOthers(query)
      return await inbox.list(query)
    },
    replay: async (filter) => {
      refuseOthers(filter)
      if (filter.state === 'done') throw new ConfigurationError('What is done stays done.')
      return await inbox.replay({ ...filter, state: 'dead' })
    },
    purge: async (filter) => {
      refuseOthers(filter)
      return await inbox.purge(filter)
    },
  }))(options)
}

/** The store in memory with some methods of another kind, under the inbox as it is. */
function storeWith(change: (store: EventStore) => Partial<EventStore>): BrokenInbox['open'] {
  return (options) => {
    const store = new MemoryStore()
    return new StoredInbox(changed<EventStore>(store, change(store)), readInboxOptions(options))
  }
}

/** The inbox in memory with some methods of another kind. */
function inboxWith(change: (inbox: Inbox) => Partial<Inbox>): BrokenInbox['open'] {
  return (options) => {
    const inbox = memoryInbox(options)
    return changed(inbox, change(inbox))
  }
}

/** The inbox in memory with another consumer in the place of each. */
function consumersWith(change: (consumer: InboxConsumer) => InboxConsumer): BrokenInbox['open'] {
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

/** The inbox in memory with another way to run handlers. */
function handlersWith(
  run: (process: InboxProcessor, ...parameters: Parameters<InboxProcessor>) => ReturnType<InboxProcessor>,
): BrokenInbox['open'] {
  return consumersWith((consumer) =>
    withProcess(
      consumer,
      (process) =>
        async (...parameters) =>
          await run(process, ...parameters),
    ),
  )
}

function saying(capabilities: Partial<InboxCapabilities>): BrokenInbox['open'] {
  return inboxWith((inbox) => ({ capabilities: { ...inbox.capabilities, ...capabilities } }))
}

/** Whoever ends last decides, whether the event is still its own or not. */
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

/** An object whose methods are those of another but for some; a private field needs the object it is of as `this`. */
function changed<Type extends object>(original: Type, changes: Partial<Type>): Type {
  return new Proxy(original, {
    get(target, key) {
      if (key in changes) return changes[key as keyof Type]
      const value = target[key as keyof Type]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
