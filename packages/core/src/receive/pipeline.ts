import { unexpected } from '../check.ts'
import { ConfigurationError, codeOf, WebhookError } from '../errors.ts'
import { probeEventType, type WebhookEvent } from '../events.ts'
import { claimEvent } from '../handle/claim.ts'
import type { Delivery } from '../handle/delivery.ts'
import { eventKey } from '../handle/event-key.ts'
import type { Handlers } from '../handle/handlers.ts'
import { storeEvent } from '../handle/inbox.ts'
import type { Reporter } from '../report/reporter.ts'
import { parseEnvelope } from '../verify/envelope.ts'
import { type CollectedHeaders, collectHeaders } from '../verify/headers.ts'
import { generateSecret, parseSecrets, type SigningSecret } from '../verify/secret.ts'
import { headersOf, readSignedHeaders, type SignedHeaders } from '../verify/signed-headers.ts'
import { matchSignature } from '../verify/verify.ts'
import { checkBodyHeaders, readBody } from './body.ts'
import type { OpenDelivery } from './open-deliveries.ts'
import type { ReceiverSettings } from './options.ts'
import type { Outcome } from './reply.ts'
import { remoteAddressOf, type WebhookRequest } from './request.ts'

/** Processes a delivery, from its headers to the end of its handlers. */
export type Pipeline<Context> = (delivery: OpenDelivery<Context>) => Promise<Outcome | undefined>

export function createPipeline<Context>(
  settings: ReceiverSettings<Context>,
  { reporter, handlers }: { readonly reporter: Reporter; readonly handlers: Handlers<Context> },
): Pipeline<Context> {
  const { name, inbox, duplicates, maxBodyBytes, now } = settings

  /**
   * The phases of a delivery, in order, as documented in `phases.ts`. Each continues to the next, returns an outcome, or
   * throws the error to answer with.
   *
   * @returns `undefined` if the delivery has been answered in the meantime: late secrets, bodies and claims are not used.
   */
  async function processDelivery(delivery: OpenDelivery<Context>): Promise<Outcome | undefined> {
    const { request, context } = delivery

    delivery.phase = 'headers'
    const { headers, candidates, receivedAt } = checkHeaders(request)
    delivery.ids = { messageId: candidates[0]?.messageId }

    delivery.phase = 'secret'
    const found = await settings.secrets.find(request, context)
    if (delivery.isAnswered) return undefined

    delivery.phase = 'body'
    const body = await readBody(request, headers, maxBodyBytes)
    if (delivery.isAnswered) return undefined

    delivery.phase = 'verify'
    const { signed, secretIndex } = verifySignature(candidates, body, found?.secrets)
    const { messageId } = signed
    delivery.ids = { messageId }
    delivery.secretIndex = secretIndex
    const event = parseEnvelope(body, messageId)
    delivery.ids = { messageId, eventId: event.event_id, eventType: event.event_type }
    reporter.deliveryVerified()

    delivery.phase = 'store'
    if (event.event_type === probeEventType) return await answerProbe()
    const scope = found?.scope || undefined
    const message = { messageId, sentAt: new Date(signed.timestamp * 1000), receivedAt, secretIndex, scope }
    if (inbox === undefined) return await handleEvent(delivery, event, { ...message, rawBody: body })
    const stored = { ...message, name, body, signedHeaders: headersOf(headers, signed.family) }
    return { acknowledgement: await storeEvent(inbox, event, stored) }
  }

  /** The cheap checks. If one fails, the body is neither read nor hashed. */
  function checkHeaders(request: WebhookRequest): {
    readonly headers: CollectedHeaders
    readonly candidates: readonly SignedHeaders[]
    readonly receivedAt: Date
  } {
    if (request.method !== 'POST') throw new WebhookError('method_not_allowed')
    if (settings.isAllowedSource !== undefined) checkSource(request, settings.isAllowedSource)
    const headers = collectHeaders(request.headers)
    checkBodyHeaders(headers, maxBodyBytes)
    const nowMs = readClock(now)
    const candidates = readSignedHeaders(headers, nowMs, settings.toleranceSeconds)
    return { headers, candidates, receivedAt: new Date(nowMs) }
  }

  /**
   * The phases `store`, `handlers` and `ending` without an inbox: runs the handlers before the reply, under a claim that
   * keeps other deliveries of the event from running them.
   */
  async function handleEvent(
    delivery: OpenDelivery<Context>,
    event: WebhookEvent,
    message: Omit<Delivery, 'attempt' | 'signal' | 'context'>,
  ): Promise<Outcome | undefined> {
    const claim = await claimEvent(duplicates, eventKey({ name, scope: message.scope, eventId: event.event_id }))
    if (claim === undefined) return { acknowledgement: 'duplicate' }
    const reportFailure = (error: unknown): void => reporter.reportFailure(error, delivery)
    if (delivery.isAnswered) {
      // The sender has been asked to retry, so the event must not stay claimed.
      await claim.release().catch(reportFailure)
      return undefined
    }

    delivery.phase = 'handlers'
    delivery.controller = new AbortController()
    const { signal } = delivery.controller
    const result = await runHandlers(event, { ...message, attempt: 1, signal, context: delivery.context }, delivery)

    delivery.phase = 'ending'
    delivery.result = result
    const isRetried = 'error' in result && codeOf(result.error) !== 'permanent_failure'
    // If the store fails, the handlers' result stands and the claim expires.
    await (isRetried ? claim.release() : claim.complete()).catch(reportFailure)
    return result
  }

  async function runHandlers(
    event: WebhookEvent,
    handlerDelivery: Delivery<Context>,
    delivery: OpenDelivery<Context>,
  ): Promise<Outcome> {
    const dispatch = await handlers.run(event, handlerDelivery)
    if ('error' in dispatch) {
      reporter.reportHandlerFailures(dispatch.failures, delivery)
      return { error: dispatch.error }
    }
    return { acknowledgement: 'accepted', isUnhandled: dispatch.result === 'unhandled' }
  }

  /** Answers a probe, which tests this server without running a handler. Accepted only if the store works. */
  async function answerProbe(): Promise<Outcome> {
    try {
      await (inbox ?? duplicates).check?.()
      return { acknowledgement: 'accepted' }
    } catch (cause) {
      return { error: new WebhookError('store_unavailable', undefined, { cause }) }
    }
  }

  return processDelivery
}

/** @throws {ConfigurationError} `configuration_invalid`: the option `now` does not return a time. */
function readClock(now: () => number): number {
  let nowMs: unknown
  try {
    nowMs = now()
  } catch (cause) {
    throw new ConfigurationError('The option now threw. It must return milliseconds since 1970.', { cause })
  }
  if (Number.isFinite(nowMs)) return nowMs as number
  throw unexpected('the result of now', nowMs, 'milliseconds since 1970')
}

/** @throws {WebhookError} `source_not_allowed` */
function checkSource(request: WebhookRequest, isAllowed: (address: string) => boolean): void {
  const address = remoteAddressOf(request)
  if (address === undefined) throw new WebhookError('source_not_allowed', 'The host reports no client address.')
  if (!isAllowed(address)) throw new WebhookError('source_not_allowed', `Address: ${address}.`)
}

/** Used if a request has no secret, so that refusing it takes as long as refusing a forgery. */
const unknownSecret = parseSecrets(generateSecret())

/**
 * Finds the candidate that was signed with one of the secrets.
 *
 * @throws {WebhookError} `signature_mismatch` or `secret_not_found`. The sender cannot distinguish them, because otherwise
 * anyone could find out which tenants exist.
 */
function verifySignature(
  candidates: readonly SignedHeaders[],
  body: Uint8Array,
  secrets: readonly SigningSecret[] | undefined,
): ReturnType<typeof matchSignature> {
  try {
    return matchSignature(candidates, body, secrets ?? unknownSecret)
  } catch (error) {
    throw secrets === undefined ? new WebhookError('secret_not_found') : error
  }
}
