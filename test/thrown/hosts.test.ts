import { inspect } from 'node:util'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hosts } from '../hosts/hosts.ts'
import { realms, throwFrom, thrownValues } from './thrown-values.ts'

const secret = generateSecret()

describe.each(hosts)('$name without an inbox', ({ serve }) => {
  it.each(realms)(
    'replies with 500 to any value thrown in %s, and handles the retry and other deliveries',
    async (realm) => {
      const failures = new Map<string, unknown>()
      const reported = new Map<string, unknown>()
      const outcomes: string[] = []
      const host = await serve({
        secret,
        // Formats them, as the default logger does.
        logger: { warn() {}, error: (fields) => void inspect(fields) },
        onEvent: {
          'job.created': ({ event_id }) =>
            failures.has(event_id)
              ? throwFrom(failures.get(event_id), outcomes.length % 2 ? 'throw' : 'reject')
              : undefined,
          'job.completed': () => {},
        },
        onError(error, { eventId = '', code }) {
          expect(code).toBe('handler_failed')
          reported.set(eventId, error)
          throw error
        },
        onDelivery({ status, result }) {
          outcomes.push(`${status} ${result}`)
        },
      })
      onTestFinished(() => host.close())
      const send = async (event: object) => {
        const { status, reply } = await deliver(host.url, signDelivery(event, { secret }))
        return { status, reply }
      }
      const accepted = { status: 202, reply: { status: 'accepted' } }
      const values = thrownValues(realm)
      for (const { what, value } of values) {
        const event = createEvent('job.created')
        failures.set(event.event_id, value)
        const [failed, neighbor] = await Promise.all([send(event), send(createEvent('job.completed'))])
        expect(failed, what).toEqual({ status: 500, reply: { error: 'handler_failed' } })
        expect(neighbor, what).toEqual(accepted)
        expect(reported.has(event.event_id) && Object.is(reported.get(event.event_id), value), what).toBe(true)
        failures.delete(event.event_id)
        expect(await send(event), what).toEqual(accepted)
      }
      const countOf = (wanted: string) => outcomes.filter((outcome) => outcome === wanted).length
      expect(countOf('500 handler_failed')).toBe(values.length)
      expect(countOf('202 accepted')).toBe(2 * values.length)
    },
  )
})
