import { describe, expect, it } from 'vitest'
import { type Fault, sampleEvent } from '../../src/index.ts'
import { accepted, duplicate, repliesTo, subscribe } from '../local-simulator.ts'

describe('a delivery', () => {
  const firstReply: Readonly<Record<Fault, RegExp>> = {
    duplicate: /^202 .*accepted/,
    reorder: /^202 .*accepted/,
    tamper: /^400 .*signature_mismatch/,
    stale: /^400 .*timestamp_outside_tolerance/,
    slow: /^202 .*accepted/,
    reserialize: /^400 .*signature_mismatch/,
    drop: /dropped/,
  }

  it.each(Object.entries(firstReply) as [Fault, RegExp][])(
    'with the fault %s gets %s as its first reply, and the event is not lost',
    async (fault, first) => {
      const { simulator, receiver } = await subscribe()
      const event = sampleEvent('artifact.ready')
      const [message] = simulator.send(event, [fault])
      await simulator.idle()
      const seen = repliesTo(message)
      expect(seen[0]).toMatch(first)
      expect(seen.at(-1)).toBe(fault === 'duplicate' ? duplicate : accepted)
      expect(message?.attempts[0]?.faults).toEqual([fault])
      expect(receiver.events).toEqual([event])
    },
  )

  it('with the fault reorder is overtaken by the next one', async () => {
    const { simulator, receiver } = await subscribe()
    const [first, second] = [sampleEvent('job.created'), sampleEvent('job.created')]
    simulator.send(first, ['reorder'])
    simulator.send(second, [])
    await simulator.idle()
    expect(receiver.events.map(({ event_id }) => event_id)).toEqual([second.event_id, first.event_id])
  })

  it('has a fault with its configured probability', async () => {
    let chance = 0
    const random = (): number => {
      chance = (chance + 0.37) % 1
      return chance
    }
    const { simulator, receiver } = await subscribe({ faults: { duplicate: 0.5 }, random })
    for (let count = 0; count < 40; count += 1) simulator.send(sampleEvent('job.created'))
    await simulator.idle()
    const twice = simulator.messages.filter(({ attempts }) => attempts.length === 2)
    expect(twice.length).toBeGreaterThan(10)
    expect(twice.length).toBeLessThan(30)
    expect(receiver.events).toHaveLength(40)
    simulator.setFaults({})
    const [last] = simulator.send(sampleEvent('job.created'))
    await simulator.idle()
    expect(last?.attempts).toHaveLength(1)
  })
})
