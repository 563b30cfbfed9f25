import { randomInt } from 'node:crypto'
import { sign, verify } from '@scrapenest-webhooks/core'
import * as standardwebhooks from 'standardwebhooks'
import * as svix from 'svix'
import { beforeAll, describe, expect, it } from 'vitest'
import { randomJson, randomText, seededRandom } from './random-json.ts'

const rounds = 1000
// Repeat a run with SEED=….
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31))

interface Peer {
  readonly name: string
  /** The header family that the peer uses. */
  readonly family: 'svix' | 'webhook'
  readonly sign: (id: string, at: Date, body: string, secret: string) => string
  /** Throws unless the delivery is genuine. svix 2 returns nothing, standardwebhooks returns the parsed body. */
  readonly verify: (body: Buffer, headers: Record<string, string>, secret: string) => unknown
  readonly resultOf: (body: string) => unknown
}

const peers: readonly Peer[] = [
  {
    name: 'svix 2',
    family: 'svix',
    sign: (id, at, body, secret) => new svix.Webhook(secret).sign(id, at, body),
    verify: (body, headers, secret) => new svix.Webhook(secret).verify(body, headers),
    resultOf: () => undefined,
  },
  {
    name: 'standardwebhooks 1',
    family: 'webhook',
    sign: (id, at, body, secret) => new standardwebhooks.Webhook(secret).sign(id, at, body),
    verify: (body, headers, secret) => new standardwebhooks.Webhook(secret).verify(body, headers),
    resultOf: (body) => JSON.parse(body),
  },
]

interface Message {
  readonly id: string
  readonly at: Date
  readonly body: string
  readonly secret: string
}

describe.each(peers)('$name', (peer) => {
  const messages: Message[] = []

  beforeAll(() => {
    console.log(`${peer.name}: ${rounds} random bodies, SEED=${seed}`)
    const random = seededRandom(seed)
    // The peers use the real clock, in whole seconds.
    const at = new Date(Math.floor(Date.now() / 1000) * 1000)
    for (let round = 0; round < rounds; round += 1) {
      const key = Buffer.from(Array.from({ length: 24 + random.below(41) }, () => random.below(256)))
      // Every hundredth body is long.
      const body = round % 100 === 99 ? JSON.stringify(randomText(random, 20_000)) : randomJson(random)
      messages.push({
        id: `msg_${random.below(2 ** 31).toString(36)}`,
        at,
        body,
        secret: `whsec_${key.toString('base64')}`,
      })
    }
  })

  it(`accepts what we sign, for ${rounds} bodies`, () => {
    for (const message of messages) {
      const headers = ourHeaders(message, peer.family)
      expect(peer.verify(Buffer.from(message.body), headers, message.secret)).toEqual(peer.resultOf(message.body))
    }
    expect(messages).toHaveLength(rounds)
  })

  it(`signs what we accept, for ${rounds} bodies`, () => {
    for (const message of messages) {
      const { id, at, body, secret } = message
      const verified = verify({ headers: theirHeaders(message, peer), body: Buffer.from(body) }, secret)
      expect(verified).toEqual({ messageId: id, sentAt: at, body: Buffer.from(body), secretIndex: 0 })
    }
    expect(messages).toHaveLength(rounds)
  })

  it('signs exactly as we do, character by character', () => {
    for (const message of messages) {
      expect(ourHeaders(message, peer.family)).toEqual(theirHeaders(message, peer))
    }
  })

  it(`rejects, as we do, every tampered copy of ${rounds} bodies`, () => {
    const random = seededRandom(seed)
    for (const message of messages) {
      const headers = theirHeaders(message, peer)
      const body = Buffer.from(message.body)
      const position = random.below(message.body.length)
      const tampered = Buffer.from(message.body.slice(0, position).concat('~', message.body.slice(position + 1)))
      if (tampered.equals(body)) continue
      expect(() => peer.verify(tampered, headers, message.secret)).toThrow(/No matching signature found/)
      expect(() => verify({ headers, body: tampered }, message.secret)).toThrow(
        expect.objectContaining({ code: 'signature_mismatch' }),
      )
    }
  })

  it('rejects, as we do, another id, another time and another secret', () => {
    const [message, other] = messages as [Message, Message]
    const headers = theirHeaders(message, peer)
    const body = Buffer.from(message.body)
    const later = String(message.at.getTime() / 1000 + 1)
    const cases: readonly (readonly [Record<string, string>, string])[] = [
      [{ ...headers, [`${peer.family}-id`]: 'msg_another' }, message.secret],
      [{ ...headers, [`${peer.family}-timestamp`]: later }, message.secret],
      [headers, other.secret],
    ]
    for (const [altered, secret] of cases) {
      expect(() => peer.verify(body, altered, secret)).toThrow(/No matching signature found/)
      expect(() => verify({ headers: altered, body }, secret)).toThrow(
        expect.objectContaining({ code: 'signature_mismatch' }),
      )
    }
  })
})

function ourHeaders({ id, at, body, secret }: Message, family: Peer['family']): Record<string, string> {
  const signed = Object.entries(sign({ id, timestamp: at, body }, secret))
  return Object.fromEntries(signed.map(([name, value]) => [name.replace('svix', family), value]))
}

function theirHeaders({ id, at, body, secret }: Message, peer: Peer): Record<string, string> {
  return {
    [`${peer.family}-id`]: id,
    [`${peer.family}-timestamp`]: String(at.getTime() / 1000),
    [`${peer.family}-signature`]: peer.sign(id, at, body, secret),
  }
}
