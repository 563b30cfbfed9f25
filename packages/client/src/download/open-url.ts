import { type LookupAddress, lookup as resolve } from 'node:dns'
import { get as getHttp, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import {
  AddressNotAllowedError,
  ConnectionError,
  isScrapeNestError,
  RequestTimeoutError,
  TooManyRedirectsError,
  UrlNotAllowedError,
} from '../errors.ts'
import { isPublicAddress } from './public-address.ts'

/** Where a download may lead. */
export interface DownloadRules {
  /** Takes private, loopback and link-local addresses too. */
  readonly allowPrivateAddresses: boolean
  /** Takes `http:` too. */
  readonly allowInsecure: boolean
  /** Without an answer, or a further byte, for this long the download is given up. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

const maxRedirects = 5

/**
 * Opens a URL that came from a stranger's JSON: https only, to addresses of the public internet only. The check stands
 * in the name lookup of the connection itself, so that a name which resolves differently the second time gains nothing;
 * and each redirect is checked anew. No credential of ours is sent.
 *
 * @throws {ScrapeNestError} `url_not_allowed`, `address_not_allowed`, `too_many_redirects`, `connection_failed`,
 * `request_timeout`; the signal's reason when aborted.
 */
export async function openDownload(url: string, rules: DownloadRules): Promise<IncomingMessage> {
  let target = checkedUrl(url, rules)
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const response = await requestOnce(target, rules)
    const location = isRedirect(response) ? response.headers.location : undefined
    if (location === undefined) return response
    response.destroy()
    target = checkedUrl(location, rules, target)
  }
  throw new TooManyRedirectsError(target.host, maxRedirects)
}

function isRedirect({ statusCode = 0 }: IncomingMessage): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode)
}

function checkedUrl(text: string, rules: DownloadRules, base?: URL): URL {
  // Neither the text nor a parser's error goes into a message: a download_url is a credential.
  if (!URL.canParse(text, base?.href)) throw new UrlNotAllowedError('The download_url is not an absolute URL.')
  const url = new URL(text, base)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && rules.allowInsecure)) {
    throw new UrlNotAllowedError(
      `The download_url at ${url.host || 'no host'} is not https but ${url.protocol.slice(0, -1)}. ` +
        'For plain http, as with a simulator on this machine, set allowInsecure.',
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw new UrlNotAllowedError(`The download_url at ${url.host} carries a user name or password.`)
  }
  // Node connects to an address without asking any lookup. URL has already made 0x7f.1 into 127.0.0.1.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (!rules.allowPrivateAddresses && isIP(host) !== 0 && !isPublicAddress(host)) {
    throw new AddressNotAllowedError(url.hostname, host)
  }
  return url
}

function requestOnce(url: URL, rules: DownloadRules): Promise<IncomingMessage> {
  const get = url.protocol === 'https:' ? getHttps : getHttp
  return new Promise((resolve, reject) => {
    let response: IncomingMessage | undefined
    const request = get(
      url,
      {
        // Own connection: a pooled one may have been opened under other rules, and a proxy would hide the address.
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
      // A request that is destroyed after its response began would end the response without our error.
      const stalled = response ?? request
      stalled.destroy(new RequestTimeoutError(`The download from ${url.host}`, rules.timeoutMs))
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
  return new ConnectionError(`The download from ${host}`, { attempts: 1, cause: error })
}

const lookupPublic: LookupFunction = (hostname, options, done) => {
  resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) return done(error, '')
    // One private address among public ones is a trick as well.
    const refused = addresses.find(({ address }) => !isPublicAddress(address))
    if (refused !== undefined) return done(new AddressNotAllowedError(hostname, refused.address), '')
    const [first] = addresses
    if (options.all) done(null, addresses)
    else done(null, first?.address ?? '', first?.family)
  })
}
