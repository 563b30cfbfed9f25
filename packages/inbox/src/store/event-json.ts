import { isUtf8 } from 'node:buffer'
import type { InboxEvent, WebhookEvent } from '@scrapenest-webhooks/core'
import { keyText } from '@scrapenest-webhooks/core/adapter'
import type { InboxSummary } from '../contract.ts'
import { toStorableText } from '../storable-text.ts'

/** An event as JSON, for engines that store JSON. Times are milliseconds since 1970. */
export interface EventJson {
  readonly name: string
  /** `scope` and `eventId` are `keyText`. Absent without a scope. */
  readonly scope?: string
  readonly eventId: string
  readonly eventType: string
  /** Scope, id and type as a JSON string, if a field does not contain them exactly. */
  readonly exact?: string
  readonly messageId: string
  readonly sentAt: number
  readonly receivedAt: number
  readonly secretIndex: number
  /** Dropped together with the body once the event is done, if `keepPayload` is `false`. */
  readonly signedHeaders?: Readonly<Record<string, string>>
  /** The body as text if it is UTF-8: shorter than base64, and readable. */
  readonly body?: string
  readonly bodyBase64?: string
}

export function toEventJson(event: InboxEvent): EventJson {
  const {
    name,
    scope = '',
    eventId,
    eventType,
    messageId,
    sentAt,
    receivedAt,
    secretIndex,
    signedHeaders,
    body,
  } = event
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const text = isUtf8(bytes) && !bytes.includes(0) ? { body: bytes.toString('utf8') } : undefined
  const names = { scope: keyText(scope), eventId: keyText(eventId), eventType: toStorableText(eventType) }
  const isExact = names.scope === scope && names.eventId === eventId && names.eventType === eventType
  return {
    name,
    ...(scope === '' ? {} : { scope: names.scope }),
    eventId: names.eventId,
    eventType: names.eventType,
    ...(isExact ? {} : { exact: JSON.stringify([scope, eventId, eventType]) }),
    messageId,
    sentAt: sentAt.getTime(),
    receivedAt: receivedAt.getTime(),
    secretIndex,
    signedHeaders,
    ...(text ?? { bodyBase64: bytes.toString('base64') }),
  }
}

export type ExactNames = Pick<InboxSummary, 'scope' | 'eventId' | 'eventType'>

/** Restores the event. Ready and running events always have their payload. */
export function fromEventJson(json: EventJson): InboxEvent {
  const { name, messageId, sentAt, receivedAt, secretIndex, signedHeaders = {} } = json
  const { scope, eventId, eventType } = exactNames(json)
  return {
    name,
    ...(scope === '' ? {} : { scope }),
    eventId,
    eventType,
    messageId,
    sentAt: new Date(sentAt),
    receivedAt: new Date(receivedAt),
    signedHeaders,
    body: bodyOf(json) ?? Buffer.alloc(0),
    secretIndex,
  }
}

/** Scope, id and type as received. */
export function exactNames({ scope = '', eventId, eventType, exact }: EventJson): ExactNames {
  if (exact === undefined) return { scope, eventId, eventType }
  const [exactScope, exactId, exactType] = JSON.parse(exact) as [string, string, string]
  return { scope: exactScope, eventId: exactId, eventType: exactType }
}

/** `undefined` once the payload has been dropped. */
export function bodyOf({ body, bodyBase64 }: Pick<EventJson, 'body' | 'bodyBase64'>): Uint8Array | undefined {
  if (body !== undefined) return Buffer.from(body, 'utf8')
  return bodyBase64 === undefined ? undefined : Buffer.from(bodyBase64, 'base64')
}

export function withoutPayload<Json extends EventJson>(
  json: Json,
): Omit<Json, 'signedHeaders' | 'body' | 'bodyBase64'> {
  const { signedHeaders: _headers, body: _body, bodyBase64: _bodyBase64, ...rest } = json
  return rest
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Parses a stored body without checking its `data`. `undefined` if it is not JSON. */
export function readEnvelope(body: Uint8Array): WebhookEvent | undefined {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    return undefined
  }
}
