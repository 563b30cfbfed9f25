import type { InboxConsumer } from '@scrapenest-webhooks/core'
import { isPermanent, toStoreError } from '../errors.ts'

/**
 * Reports each outage of a store once, and again if retries cannot end it: a server may come back and then refuse the
 * password.
 */
export class Outage {
  readonly #consumer: InboxConsumer
  #isOngoing = false
  #isPermanent = false

  constructor(consumer: InboxConsumer) {
    this.#consumer = consumer
  }

  get isOngoing(): boolean {
    return this.#isOngoing
  }

  /** Call this whenever the store fails. */
  failed(error: unknown): void {
    const failure = toStoreError(error)
    const isNews = !this.#isOngoing || (isPermanent(failure) && !this.#isPermanent)
    this.#isOngoing = true
    this.#isPermanent ||= isPermanent(failure)
    if (isNews) this.#consumer.report(failure)
  }

  /** Call this whenever the store answers. */
  ended(): void {
    if (this.#isOngoing) this.#consumer.note?.("The inbox's store is available again.")
    this.#isOngoing = false
    this.#isPermanent = false
  }
}
