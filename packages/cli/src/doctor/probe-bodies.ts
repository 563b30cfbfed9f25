import { randomUUID } from 'node:crypto'
import { probeEventType } from '@scrapenest-webhooks/core'

/** An event that JavaScript can parse and serialize without changing it, padded to a length. */
export function plainBody({ byteLength = 0 }: { readonly byteLength?: number } = {}): Buffer {
  const body = JSON.stringify(probeEvent({ padding: '' }))
  return Buffer.from(body.replace('"padding":""', `"padding":"${'x'.repeat(Math.max(0, byteLength - body.length))}"`))
}

/**
 * An event that changes when it is parsed and serialized. It contains spaces, escaped letters and slashes, a number with a
 * zero fraction, a number in scientific notation, keys that JavaScript sorts, a repeated key, and a final line break.
 */
export function awkwardBody(): Buffer {
  const [start] = JSON.stringify(probeEvent({})).split('"data":')
  const data = String.raw`{ "b" : 1.0, "a": 1e2 ,"\u0061b": "caf\u00e9 \/ ${'é'} \ud83d\ude00", "2": 2, "1": 1, "twice": 1, "twice": 2 }`
  return Buffer.from(`${start} "data" : ${data} }\r\n`)
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
