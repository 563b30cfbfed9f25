import type { DeliveryReply, Fault } from '@scrapenest-webhooks/simulator'

/** Statuses that refuse a forgery. 404 is not one: it comes from a server that never saw the signature. */
const refusals: ReadonlySet<number | undefined> = new Set([400, 401, 403])

/** Whether the server replied correctly to a delivery with these faults. */
export function isExpectedReply({ statusCode, isDropped }: DeliveryReply, faults: ReadonlySet<Fault>): boolean {
  if (faults.has('drop')) return isDropped === true
  if (faults.has('tamper') || faults.has('stale') || faults.has('reserialize')) return refusals.has(statusCode)
  return statusCode !== undefined && statusCode >= 200 && statusCode < 300
}
