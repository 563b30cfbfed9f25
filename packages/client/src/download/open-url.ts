import { type LookupAddress, lookup as resolve } from 'node:dns'
import { get as getHttp, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { isScrapeNestError, ScrapeNestError } from '../errors.ts'
import { connectionFailed, requestTimedOut } from '../request/failures.ts'
import { isPublicAddress } from './public-address.ts'

/** Where a download may lead, and how long it may stand still. */
export interface DownloadRules {
  /** Also accepts private, loopback and link-local addresses. */
  readonly allowPrivateAddresses: boolean
  /** Also accepts `http:`. */
  readonly allowInsecure: boolean
  /** Maximum time without a response, or without a further byte. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

const maxRedirects = 5

/**
 * Requests a URL that came in JSON from elsewhere: over https and to addresses of the public internet only. The address
 * is checked in the connection's own name lookup, so a name that resolves differently the second time gains nothing. Each
 * redirect is checked too, and no credential is sent.
 *
 * @throws {ScrapeNestError} `url_not_allowed`, `address_not_allowed`, `too_many_redirects`, `connection_failed`,
 * `request_timeout`.
 * @throws the signal's reason when aborted.
 */
export async function openUrl(url: string, rules: DownloadRules): Promise<IncomingMessage> {
  let target = checkUrl(url, rules)
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const response = await request(target, rules)
    const location = isRedirect(response) ? response.headers.location : undefined
    if (location === undefined) return response
    response.destroy()
    target = checkUrl(location, rules, target)
  }
  const message = `The download from ${target.host} was redirected more than ${maxRedirects} times.`
  throw new ScrapeNestError({ code: 'too_many_redirects', message })
}

function isRedirect({ statusCode = 0 }: IncomingMessage): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode)
}

function checkUrl(text: string, rules: DownloadRules, base?: URL): URL {
  // Messages never quote the text or the parser's error: a download_url is a credential.
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
  // Node does not look up an IP address. URL has already normalized forms such as 0x7f.1 to 127.0.0.1.
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
  const message = `${host} is at ${address}, which is not an address of the public internet.`
  return new ScrapeNestError({ code: 'address_not_allowed', message, address })
}

function request(url: URL, rules: DownloadRules): Promise<IncomingMessage> {
  const get = url.protocol === 'https:' ? getHttps : getHttp
  return new Promise((resolve, reject) => {
    let response: IncomingMessage | undefined
    const request = get(
      url,
      {
        // A new connection: a pooled one may have been opened under other rules, and a proxy would hide the address.
        agent: false,
        headers: { accept: '*/*', 'user-agent': 'scrapenest-webhooks-client' },
        ...(!rules.allowPrivateAddresses && { lookup: lookupPublic }),
        ...(rules.signal !== undefined && { signal: rules.signal }),
      },
      (received) => {
        response = received
        resolve(received)
      },
    )
    request.setTimeout(rules.timeoutMs, () => {
      // Destroying the request after the response has begun would end the response without our error.
      const stalled = response ?? request
      stalled.destroy(requestTimedOut(`The download from ${url.host}`, rules.timeoutMs))
    })
    request.on('error', (error) => reject(connectionFailure(error, { host: url.host, signal: rules.signal })))
  })
}

/** What an error of the connection means to the caller. */
export function connectionFailure(
  error: unknown,
  { host, signal }: { readonly host: string; readonly signal?: AbortSignal | undefined },
): unknown {
  if (signal?.aborted) return signal.reason
  if (isScrapeNestError(error)) return error
  return connectionFailed(`The download from ${host}`, { attempts: 1, cause: error })
}

const lookupPublic: LookupFunction = (hostname, options, done) => {
  resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) return done(error, '')
    // One private address among public ones is a trick as well.
    const refused = addresses.find(({ address }) => !isPublicAddress(address))
    if (refused !== undefined) return done(addressNotAllowed(hostname, refused.address), '')
    const [first] = addresses
    if (options.all) done(null, addresses)
    else done(null, first?.address ?? '', first?.family)
  })
}
