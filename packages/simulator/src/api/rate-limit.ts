import type { ServerResponse } from 'node:http'
import { ApiError } from './request.ts'

const windowMs = 60_000

/** Counts requests in fixed windows of a minute. */
export class RateLimit {
  readonly #requestsPerMinute: number
  #windowEndMs = 0
  #used = 0

  constructor(requestsPerMinute: number) {
    this.#requestsPerMinute = requestsPerMinute
  }

  /**
   * Counts one request and sets the headers that report the limit.
   *
   * @throws {ApiError} 429
   */
  count(response: ServerResponse): void {
    const nowMs = Date.now()
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + windowMs
      this.#used = 0
    }
    this.#used += 1
    response.setHeader('x-ratelimit-limit', this.#requestsPerMinute)
    response.setHeader('x-ratelimit-remaining', Math.max(0, this.#requestsPerMinute - this.#used))
    response.setHeader('x-ratelimit-reset', Math.ceil(this.#windowEndMs / 1000))
    if (this.#used <= this.#requestsPerMinute) return
    response.setHeader('retry-after', Math.ceil((this.#windowEndMs - nowMs) / 1000))
    const message = `more than ${this.#requestsPerMinute} requests per minute`
    throw new ApiError(429, { code: 'rate_limited', message })
  }
}
