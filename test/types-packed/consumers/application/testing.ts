import {
  conditions,
  conformanceChecks,
  createEvent,
  deliver,
  fakeClock,
  generateSecret,
  inboxChecks,
  signDelivery,
} from '@scrapenest-webhooks/testing'

export async function send(): Promise<boolean> {
  const secret = generateSecret()
  const event = createEvent('job.completed', { data: { status: 'failed', failure_reason: 'timeout' } })
  const delivery = signDelivery(event, { secret, sentAt: new Date(fakeClock().now()) })
  const { status } = await deliver('http://localhost:3000/webhooks/scrapenest', delivery)
  const response = await fetch('http://localhost:3000/webhooks/scrapenest', delivery)
  return status === response.status
}

export const names: readonly string[] = [...conformanceChecks, ...inboxChecks].map(({ id, name }) => `${id} ${name}`)
export const cells: number = conformanceChecks.length * conditions.length
