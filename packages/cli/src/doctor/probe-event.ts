import { randomUUID } from 'node:crypto'
import { probeEventType } from '@scrapenest-webhooks/core'

export interface ProbeOptions {
  /** Fills the event up to this length. */
  readonly byteLength?: number
}

function probeEvent(data: object): object {
  return {
    event_id: randomUUID(),
    event_type: probeEventType,
    occurred_at: new Date().toISOString(),
    org_id: '00000000-0000-0000-0000-000000000000',
    org_slug: 'doctor',
    data,
  }
}

/** What `JSON.stringify` makes of a parsed body: an event that survives being parsed and written anew. */
export function plainBody({ byteLength = 0 }: ProbeOptions = {}): Buffer {
  const body = JSON.stringify(probeEvent({ padding: '' }))
  return Buffer.from(body.replace('"padding":""', `"padding":"${'x'.repeat(Math.max(0, byteLength - body.length))}"`))
}

/**
 * An event that no parser gives back as it was: spaces, escapes of plain letters and slashes, a number with a fraction
 * of zero and one in scientific notation, keys that JavaScript sorts, a key that comes twice, a line break at the end.
 */
export function awkwardBody(): Buffer {
  const [start] = JSON.stringify(probeEvent({})).split('"data":')
  const data = String.raw`{ "b" : 1.0, "a": 1e2 ,"\u0061b": "caf\u00e9 \/ ${'é'} \ud83d\ude00", "2": 2, "1": 1, "twice": 1, "twice": 2 }`
  return Buffer.from(`${start} "data" : ${data} }\r\n`)
}
