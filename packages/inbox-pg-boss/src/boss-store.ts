import type { InboxEvent } from '@scrapenest-webhooks/core'
import type {
  InboxCapabilities,
  InboxFilter,
  InboxPage,
  InboxRecord,
  InboxStats,
  ReplayResult,
} from '@scrapenest-webhooks/inbox'
import type {
  Claim,
  ClaimRequest,
  Ending,
  EventStore,
  ExpiredAttempt,
  InboxSettings,
  Lease,
} from '@scrapenest-webhooks/inbox/engine'
import type { Db } from 'pg-boss'
import { answerInTime, type Boss } from './boss.ts'
import { purgeJobs, replayJobs } from './boss-changes.ts'
import { BossClaims } from './boss-claims.ts'
import { BossEndings } from './boss-endings.ts'
import { BossLookups } from './boss-lookups.ts'
import { jobIdOf, toJobData } from './job-data.ts'
import { HeldClaims } from './leases.ts'
import { answering } from './postgres-faults.ts'

/**
 * The events in pg-boss's table of jobs. A claim is `fetch`, with pg-boss's count of retries as the token that fences it;
 * its lease is the heartbeat; its end is `complete` or `fail`. What pg-boss has no call for is SQL on the same table: how
 * long until the next attempt and whether there is one, lists and counts, `replay` and `purge`.
 */
export class BossStore implements EventStore {
  readonly capabilities: InboxCapabilities = {
    isDurable: true,
    isShared: true,
    attempts: 'last',
    filters: [
      'name',
      'eventId',
      'eventType',
      'state',
      'isUnhandled',
      'receivedFrom',
      'receivedBefore',
      'finishedBefore',
    ],
    replayableStates: ['done', 'dead'],
    canDropPayload: true,
    canTakeClock: false,
  }
  readonly #boss: Boss
  readonly #settings: InboxSettings
  readonly #held = new HeldClaims()
  readonly #claims: BossClaims
  readonly #endings: BossEndings
  readonly #lookups: BossLookups

  constructor(boss: Boss, settings: InboxSettings) {
    this.#boss = boss
    this.#settings = settings
    const held = this.#held
    const claims = new BossClaims(boss, held)
    this.#claims = claims
    this.#endings = new BossEndings(boss, { held, claims, settings })
    this.#lookups = new BossLookups(boss)
  }

  /** @param name whose queue is to be there, so that the first delivery need not wait for it. */
  async open(name?: string): Promise<void> {
    if (name === undefined) await this.#boss.ready()
    else await this.#boss.withQueue(name)
  }

  async close(): Promise<void> {
    this.#held.clear()
    await this.#boss.close()
  }

  /** @param name a receiver that has a queue, so that none is made for this. */
  async check(name: string = 'scrapenest'): Promise<void> {
    await answering(async () => await answerInTime(this.#boss.tryInsert(name)))
  }

  async put(event: InboxEvent): Promise<'stored' | 'duplicate'> {
    return await answering(async () => {
      const { name } = event
      const boss = await this.#boss.withQueue(name)
      const options = { ...this.#boss.sendOptions(name), id: jobIdOf(event) }
      const id = await answerInTime(boss.send(this.#boss.queueOf(name), toJobData(event), options))
      return id === null ? 'duplicate' : 'stored'
    })
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    return await answering(async () => await this.#claims.claim(request))
  }

  async expired(name: string): Promise<readonly ExpiredAttempt[]> {
    return await answering(async () => await this.#claims.expired(name))
  }

  async renew(leases: readonly Lease[]): Promise<ReadonlySet<string>> {
    return await answering(async () => await this.#claims.renew(leases))
  }

  async end(lease: Lease, ending: Ending): Promise<boolean> {
    return await answering(async () => await this.#endings.end(lease, ending))
  }

  /** Completes an attempt that runs here, inside a transaction of the user's. @returns false when its lease is lost. */
  async completeIn(db: Db, event: InboxEvent): Promise<boolean> {
    return await this.#endings.completeIn(db, event)
  }

  /** Whether an attempt whose completion went into a transaction is not completed: that was rolled back, or still is open. */
  async isStillRunning(event: InboxEvent): Promise<boolean> {
    return await this.#endings.isStillRunning(event)
  }

  async list(
    filter: InboxFilter,
    page: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<InboxPage> {
    return await answering(async () => await this.#lookups.list(filter, page))
  }

  async get(eventId: string, name: string): Promise<InboxRecord | undefined> {
    return await answering(async () => await this.#lookups.get(eventId, name))
  }

  async stats(name: string | undefined): Promise<InboxStats> {
    return await answering(async () => await this.#lookups.stats(name))
  }

  async replay(filter: InboxFilter): Promise<ReplayResult> {
    const { maxAttempts } = this.#settings
    return await answering(async () => await replayJobs(this.#boss, { filter, maxAttempts }))
  }

  async purge(filter: InboxFilter): Promise<number> {
    return await answering(async () => await purgeJobs(this.#boss, filter))
  }
}
