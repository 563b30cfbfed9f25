import { createHmac, timingSafeEqual } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { verify } from '@scrapenest-webhooks/core'

/**
 * Measures whether the time of a refusal tells how much of a forged signature is right, and writes
 * docs/constant-time.md. Method: dudect (Reparaz, Balasch, Verbauwhede, 2017): two classes of inputs, interleaved at
 * random, Welch's t-test on the times, with the slowest part cut off because interruptions are no signal.
 */
const samplesPerClass = Number(process.argv[2] ?? 400_000)
const secret = `whsec_${Buffer.alloc(32, 'k').toString('base64')}`
const key = Buffer.alloc(32, 'k')
const body = Buffer.from('{"event_type":"job.created"}')
const timestamp = '1700000000'
const clock = { now: () => 1_700_000_000_000 }

/** Very many deliveries, so that the bytes of a signature tell nothing of its class. */
const deliveries = Array.from({ length: 4096 }, (_, index) => {
  const id = `msg_${index}`
  return { id, mac: createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest() }
})

/** Where the two classes are wrong: in the first byte, or only in the last one. */
const wrongByte = [0, 31] as const

interface Measurement {
  readonly name: string
  /** Mean times of the two classes, in nanoseconds. */
  readonly means: readonly [number, number]
  readonly t: number
  /** The difference that would have been found with a probability of 90 %, in nanoseconds. */
  readonly detectable: number
  readonly samples: number
}

interface Forgery {
  readonly id: string
  /** What the signature ought to be, and what it is: in base64, as they are compared. */
  readonly expected: Buffer
  readonly given: Buffer
  readonly text: string
}

// All are put into the same places and encoded anew each time: where a value lies in memory is no signal.
const forgedMac = Buffer.alloc(32)
const givenPlace = Buffer.alloc(44)
const expectedPlace = Buffer.alloc(44)

function forge(kind: 0 | 1): Forgery {
  const { id, mac } = deliveries[Math.floor(Math.random() * deliveries.length)] as (typeof deliveries)[number]
  const position = wrongByte[kind]
  forgedMac.set(mac)
  forgedMac[position] = (forgedMac[position] as number) ^ (1 + Math.floor(Math.random() * 255))
  const text = forgedMac.toString('base64')
  expectedPlace.write(mac.toString('base64'), 'latin1')
  givenPlace.write(text, 'latin1')
  return { id, expected: expectedPlace, given: givenPlace, text: `v1,${text}` }
}

const measurements = [
  measure('verify, refusing a forged signature (the whole function)', ({ id, text }) => {
    try {
      verify({ headers: { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': text }, body }, secret, clock)
    } catch {}
  }),
  measure(
    'timingSafeEqual of the 44 characters, alone',
    ({ given, expected }) => void timingSafeEqual(given, expected),
  ),
  measure(
    'control: a loop that stops at the first byte that differs',
    ({ given, expected }) => void equalUntilDifferent(given, expected),
  ),
]

const [whole, , control] = measurements as [Measurement, Measurement, Measurement]
writeFileSync(new URL('../../docs/constant-time.md', import.meta.url), page())
console.log(page())

function measure(name: string, work: (forgery: Forgery) => void): Measurement {
  const times: [Float64Array, Float64Array] = [new Float64Array(samplesPerClass), new Float64Array(samplesPerClass)]
  const counts: [number, number] = [0, 0]
  // The machine code must be the same from the first sample on.
  for (let index = 0; index < 20_000; index += 1) work(forge((index % 2) as 0 | 1))
  while (counts[0] < samplesPerClass || counts[1] < samplesPerClass) {
    const kind = Math.random() < 0.5 ? 0 : 1
    if (counts[kind] === samplesPerClass) continue
    const forgery = forge(kind)
    const startedAt = process.hrtime.bigint()
    work(forgery)
    times[kind][counts[kind]] = Number(process.hrtime.bigint() - startedAt)
    counts[kind] += 1
  }
  // One limit for both classes: a limit of its own for each would hide a difference.
  const limit = Float64Array.from([...times[0], ...times[1]]).sort()[Math.floor(samplesPerClass * 2 * 0.9)] as number
  const [first, second] = times.map((all) => statistics(all.filter((time) => time <= limit))) as [
    Statistics,
    Statistics,
  ]
  const error = Math.sqrt(first.variance / first.count + second.variance / second.count)
  return {
    name,
    means: [first.mean, second.mean],
    t: (first.mean - second.mean) / error,
    // |t| above 4.5 is dudect's threshold; 1.28 more standard errors give it a power of 90 %.
    detectable: (4.5 + 1.28) * error,
    samples: first.count + second.count,
  }
}

interface Statistics {
  readonly mean: number
  readonly variance: number
  readonly count: number
}

function statistics(times: Float64Array): Statistics {
  let sum = 0
  for (const time of times) sum += time
  const mean = sum / times.length
  let squares = 0
  for (const time of times) squares += (time - mean) ** 2
  return { mean, variance: squares / (times.length - 1), count: times.length }
}

function equalUntilDifferent(one: Buffer, other: Buffer): boolean {
  for (let index = 0; index < one.byteLength; index += 1) if (one[index] !== other[index]) return false
  return true
}

function page(): string {
  const rows = measurements.map(({ name, means, t, detectable, samples }) => {
    const [first, last] = means.map((mean) => mean.toFixed(1))
    return `| ${name} | ${first} | ${last} | ${t.toFixed(2)} | ${Math.abs(t) > 4.5 ? 'yes' : 'no'} | ${detectable.toFixed(2)} | ${samples.toLocaleString('en')} |`
  })
  const shows = Math.abs(control.t) > 4.5
  return `# Does the time of a refusal tell anything?

<!-- Written by test/hostile/measure-constant-time.ts; run it again instead of editing this page. -->

Who can learn from the time of a refusal how many bytes of a forged signature are right, can find the signature byte by
byte. So signatures are compared with \`timingSafeEqual\` of \`node:crypto\`, and with nothing else: a gate in the ordinary
test run follows everything that is computed from a secret through the sources of core, and fails on any other comparison.

The gate is what is relied on. The measurement below is a second look, and no gate: it depends on the machine.

## What was measured

Forged signatures for thousands of deliveries, of two classes: wrong in the first byte, and wrong only in the last. They are
checked in random order, each check is timed, the slowest tenth is cut off (one limit for both), and the means are compared with
Welch's t-test. Above |t| = 4.5 there is a difference (the threshold of dudect).

| what | wrong in the first byte, ns | wrong in the last byte, ns | t | a difference? | would have been found, ns | samples |
| --- | ---: | ---: | ---: | --- | ---: | ---: |
${rows.join('\n')}

"Would have been found" is the power: the smallest difference that the measurement finds with a probability of 90 %. For
the whole of \`verify\` it is ${whole.detectable.toFixed(1)} ns. The control is a comparison that does stop at the first wrong byte: ${
    shows
      ? 'the measurement finds it, so it can find what it looks for.'
      : 'here the measurement did not even find that, so it says nothing on this machine.'
  }

Node ${process.version}, ${cpus()[0]?.model ?? 'an unknown processor'}, in one process without a network between. Over a
network the differences that can be told are larger by orders of magnitude.

## What is not covered

- The secret is parsed when the receiver is made, and this takes a time that depends on its length. A secret function is
  asked per request: its time is its own.
- How far a delivery gets (headers, window, body, signature, envelope) can be told from its reply, by design: each refusal
  has its code.
- With several secrets, a delivery signed with the second takes one MAC longer than one signed with the first. That tells
  which secret of a rotation was used, to somebody who holds one of them.
`
}
