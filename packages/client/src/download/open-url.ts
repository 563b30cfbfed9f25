import { type LookupAddress, lookup } from 'node:dns'
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { isScrapeNestError, ScrapeNestError } from '../errors.ts'
import { withDeadline } from '../request/deadline.ts'
import { connectionFailed } from '../request/failures.ts'
import { isPublicAddress } from './public-address.ts'

/** Where a download may lead, and how long it may pause. */
export interface DownloadRules {
  /** Also accepts private, loopback and link-local addresses. */
  readonly allowPrivateAddresses: boolean
  /** Also accepts `http:`. */
  readonly allowInsecure: boolean
  /** Maximum time without a response or a further byte, in milliseconds. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

interface OpenOptions extends DownloadRules {
  /** How often the URL has been requested, including this time. */
  readonly attempts: number
}

/** A response whose headers have arrived. */
export interface OpenedUrl {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The body as it arrives. Throws like `openUrl`. */
  readonly bytes: AsyncGenerator<Uint8Array, void, void>
  /** Closes the connection. Must always be called. */
  close(): void
}

const maxRedirects = 5

/**
 * Requests a URL that comes from outside: only over https, and only from public internet addresses. The address is checked
 * in the connection's own DNS lookup, so DNS rebinding does not help an attacker. Redirects are checked too, and no
 * credential is sent.
 *
 * @throws {ScrapeNestError} `url_not_allowed`, `address_not_allowed`, `too_many_redirects`, `connection_failed`,
 * `request_timeout`.
 * @throws the signal's reason when aborted.
 */
export async function openUrl(url: string, options: OpenOptions): Promise<OpenedUrl> {
  let target = checkUrl(url, options)
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const response = await request(target, options)
    const location = isRedirect(response) ? response.headers.location : undefined
    if (location === undefined) return openedUrl(response, target.host, options)
    response.destroy()
    target = checkUrl(encodeBytes(location), options, target)
  }
  const message = `The download from ${target.host} was redirected more than ${maxRedirects} times.`
  throw new ScrapeNestError({ code: 'too_many_redirects', message })
}

function isRedirect({ statusCode = 0 }: IncomingMessage): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode)
}

/** Node decodes header bytes as latin1, but object stores send UTF-8 here. Percent-encoding restores the original bytes. */
function encodeBytes(location: string): string {
  return location.replaceAll(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`)
}

function checkUrl(text: string, rules: DownloadRules, base?: URL): URL {
  // Messages never quote the text or the parser's error, because a download_url is a credential.
  if (!URL.canParse(text, base?.href)) throw urlNotAllowed('The download_url is not an absolute URL.')
  const url = new URL(text, base)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && rules.allowInsecure)) {
    throw urlNotAllowed(
      `The download_url at ${url.host || 'no host'} is ${url.protocol.slice(0, -1)}, not https. ` +
        'To allow plain http, as with a simulator on this machine, set allowInsecure.',
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw urlNotAllowed(`The download_url at ${url.host} contains a user name or password.`)
  }
  // Node does not look up IP addresses, so they are checked here. URL has already normalized forms such as 0x7f.1 to
  // 127.0.0.1.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (!rules.allowPrivateAddresses && isIP(host) !== 0 && !isPublicAddress(host)) {
    throw addressNotAllowed(url.hostname, host)
  }
  return url
}

function urlNotAllowed(message: string): ScrapeNestError {
  return new ScrapeNestError({ code: 'url_not_allowed', message })
}

function addressNotAllowed(host: string, address: string): ScrapeNestError {
  const message = `${host} resolves to ${address}, which is not a public internet address.`
  return new ScrapeNestError({ code: 'address_not_allowed', message, address })
}

/** Resolves with the headers. */
function request(url: URL, options: OpenOptions): Promise<IncomingMessage> {
  const { allowPrivateAddresses, attempts } = options
  // Called as a method, because nock and MSW replace the module's methods.
  const module = url.protocol === 'https:' ? https : http
  // A socket timeout is not enough: interim responses (1xx) reset it.
  return withDeadline(limitsOf(url.host, options), (signal) => {
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => reject(downloadError(cause, { host: url.host, attempts }))
      const request = module.get(url, {
        // No agent: a pooled connection may have been opened under other rules, and a proxy would hide the address.
        agent: false,
        headers: { accept: '*/*', 'user-agent': 'scrapenest-webhooks-client' },
        ...(!allowPrivateAddresses && { lookup: lookupPublic }),
        signal,
      })
      request.once('response', resolve).on('error', fail)
      request.once('close', () => fail(new Error('The connection closed before the response.')))
    })
  })
}

function openedUrl(response: IncomingMessage, host: string, options: OpenOptions): OpenedUrl {
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    bytes: bytesOf(response, host, options),
    close: () => void response.destroy(),
  }
}

/** Time spent by the consumer does not count as silence. */
async function* bytesOf(
  response: IncomingMessage,
  host: string,
  options: OpenOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { attempts } = options
  const chunks: AsyncIterator<Uint8Array> = response[Symbol.asyncIterator]()
  for (;;) {
    const next = await withDeadline(limitsOf(host, options), async () => {
      try {
        return await chunks.next()
      } catch (cause) {
        throw downloadError(cause, { host, attempts })
      }
    })
    if (next.done) return
    yield next.value
  }
}

/** The time limit for the headers, and then for each further byte. */
function limitsOf(host: string, { timeoutMs, signal }: OpenOptions) {
  const message = `The download from ${host} received no data for ${timeoutMs} ms.`
  const timedOut = () => new ScrapeNestError({ code: 'request_timeout', message, timeoutMs })
  return { timeoutMs, signal, timedOut }
}

function downloadError(
  cause: unknown,
  { host, attempts }: { readonly host: string; readonly attempts: number },
): Error {
  // The DNS lookup rejects a refused address with one of our errors.
  return isScrapeNestError(cause) ? cause : connectionFailed(`The download from ${host}`, { attempts, cause })
}

const lookupPublic: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) return done(error, '')
    // A single private address among public ones is refused too: it may be an attack.
    const refused = addresses.find(({ address }) => !isPublicAddress(address))
    if (refused !== undefined) return done(addressNotAllowed(hostname, refused.address), '')
    const [first] = addresses
    if (options.all) done(null, addresses)
    else done(null, first?.address ?? '', first?.family)
  })
}
