import { ConfigurationError } from '@scrapenest-webhooks/core'
import { checkKnownOptions, checkWholeNumber } from '@scrapenest-webhooks/core/adapter'
import { ApiConnection, type CallOptions } from './api/connection.ts'
import type { JobRequest } from './api/job-request.ts'
import { checkWaitOptions, type Job, Jobs, jobTimedOut, type SubmittedJob, type WaitOptions } from './api/jobs.ts'
import { WebhookEndpoints } from './api/webhook-endpoints.ts'
import { Artifacts, type DownloadDefaults } from './download/artifacts.ts'
import { withDeadline } from './request/deadline.ts'
import { requestTimedOut } from './request/failures.ts'

export interface ClientOptions extends DownloadDefaults {
  /** `sn_live_…`. Either this or `accessToken`. */
  readonly apiKey?: string | undefined
  /** Sent as a bearer token instead of an API key. */
  readonly accessToken?: string | undefined
  /**
   * The URL of the API. Paths are appended to it. Must be https, or http on this machine.
   * @default 'https://api.scrapenest.com'
   */
  readonly baseUrl?: string | undefined
  /**
   * Sends the API calls, for example through a proxy. Downloads do not use it and connect directly, because a proxy would
   * hide the address from the address check.
   * @default the global fetch
   */
  readonly fetch?: typeof globalThis.fetch | undefined
  /**
   * Time limit for each attempt of a call, and for each gap between two chunks of a download, in milliseconds.
   * @default 30000
   */
  readonly timeoutMs?: number | undefined
  /** Maximum retries of a call that is safe to repeat. @default 2 */
  readonly maxRetries?: number | undefined
}

const knownOptions = {
  accessToken: true,
  allowInsecure: true,
  allowPrivateAddresses: true,
  apiKey: true,
  baseUrl: true,
  fetch: true,
  maxRetries: true,
  timeoutMs: true,
} as const satisfies Record<keyof ClientOptions, true>

/**
 * A client for ScrapeNest's API: webhook endpoints, jobs, artifacts. Methods have the names of ScrapeNest's Python SDK, in
 * camelCase. Fields keep their wire names.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an option is missing, malformed or unknown.
 *
 * @example
 * const client = new ScrapeNestClient({ apiKey: process.env.SCRAPENEST_API_KEY })
 * const { secret } = await client.webhookEndpoints.create({ url: 'https://example.com/webhooks/scrapenest' })
 * await client.scrapeAsync({ job_type: 'light', target_url: 'https://shop.example/item/1' })
 */
export class ScrapeNestClient {
  readonly webhookEndpoints: WebhookEndpoints
  readonly jobs: Jobs
  readonly artifacts: Artifacts

  constructor(clientOptions: ClientOptions) {
    const options = checkKnownOptions(clientOptions, knownOptions)
    const { allowPrivateAddresses, allowInsecure } = options
    const timeoutMs = checkWholeNumber('timeoutMs', options.timeoutMs ?? 30_000, { min: 1, max: 2_147_483_647 })
    const maxRetries = checkWholeNumber('maxRetries', options.maxRetries ?? 2, { min: 0, max: 10 })
    const connection = new ApiConnection({
      ...authentication(options),
      baseUrl: checkBaseUrl(options.baseUrl ?? 'https://api.scrapenest.com'),
      fetch: options.fetch,
      timeoutMs,
      maxRetries,
    })
    this.webhookEndpoints = new WebhookEndpoints(connection)
    this.jobs = new Jobs(connection, (artifactId, call) => this.artifacts.downloadBytes(artifactId, call))
    this.artifacts = new Artifacts(connection, {
      jobs: this.jobs,
      timeoutMs,
      maxRetries,
      allowPrivateAddresses,
      allowInsecure,
    })
  }

  /** Submits a job without waiting for it. Its webhook, `jobs.wait` or `jobs.get` reports the result. */
  submit(request: JobRequest, options?: CallOptions): Promise<SubmittedJob> {
    return this.jobs.create(request, options)
  }

  /** The name of `submit` in ScrapeNest's guide. */
  scrapeAsync(request: JobRequest, options?: CallOptions): Promise<SubmittedJob> {
    return this.jobs.create(request, options)
  }

  /**
   * Submits a job and waits until it has ended.
   *
   * @throws {ScrapeNestError} like `jobs.wait`, or `request_timeout` if the submission alone exceeds `timeoutMs`.
   */
  async scrape(request: JobRequest, options: WaitOptions = {}): Promise<Job> {
    const { timeoutMs } = checkWaitOptions(options)
    let jobId: string | undefined
    const timedOut = () =>
      jobId === undefined ? requestTimedOut('The submission', timeoutMs) : jobTimedOut(jobId, timeoutMs)
    return withDeadline({ timeoutMs, signal: options.signal, timedOut }, async (signal) => {
      jobId = (await this.jobs.create(request, { signal })).job_id
      return this.jobs.wait(jobId, { ...options, signal })
    })
  }
}

function authentication({ apiKey, accessToken }: ClientOptions) {
  const credential = apiKey ?? accessToken
  if (!credential || (apiKey !== undefined && accessToken !== undefined)) {
    throw new ConfigurationError(
      'Expected either apiKey or accessToken, for example apiKey: process.env.SCRAPENEST_API_KEY (is the variable set?).',
    )
  }
  // A line break would start another header. fetch refuses it too, but its error quotes the key.
  if (!/^[\x21-\x7e]+$/.test(credential)) {
    throw new ConfigurationError(
      'The API key contains a space, a line break or another character that keys never contain.',
    )
  }
  const header = apiKey === undefined ? { authorization: `Bearer ${credential}` } : { 'x-api-key': credential }
  return { credential, headers: { accept: 'application/json', 'user-agent': 'scrapenest-webhooks-client', ...header } }
}

function checkBaseUrl(text: string): string {
  // Messages do not quote the URL, because it may contain a password.
  if (!URL.canParse(text))
    throw new ConfigurationError('Expected baseUrl to be a URL, such as https://api.scrapenest.com.')
  const url = new URL(text)
  const isLocal = /^(localhost|127(\.[0-9]+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal)) {
    throw new ConfigurationError('Expected baseUrl to be https. Over http the API key would be sent unencrypted.')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new ConfigurationError('Expected baseUrl to have no user name, password, query or fragment.')
  }
  return url.href.replace(/\/+$/, '')
}
