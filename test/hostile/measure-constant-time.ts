import { createHmac, timingSafeEqual } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { verify } from '@scrapenest-webhooks/core'

/**
 * Measures whether the time of a refusal reveals how much of a forged signature is right, and writes
 * docs/constant-time.md. Method: dudect (Reparaz, Balasch, Verbauwhede, 2017): two classes of inputs, interleaved at
 * random, and Welch's t-test on the times, without the slowest part, which comes from interruptions.
 */
const samplesPerClass = Number(process.argv[2] ?? 400_000)
const secret = `whsec_${Buffer.alloc(32, 'k').toString('base64')}`
const key = Buffer.alloc(32, 'k')
const body = Buffer.from('{"event_type":"job.created"}')
const timestamp = '1700000000'
const clock = { now: () => 1_700_000_000_000 }

/** Thousands of deliveries, so that the bytes of a signature do not reveal its class. */
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
  /** The digest that would be right, as it is compared. */
  readonly expected: Buffer
  /** The digest in the forged signature. */
  readonly given: Buffer
  readonly text: string
}

// All are copied to the same places each time, so that an address in memory does not reveal the class.
const given = Buffer.alloc(32)
const expected = Buffer.alloc(32)

function forge(kind: 0 | 1): Forgery {
  const { id, mac } = deliveries[Math.floor(Math.random() * deliveries.length)] as (typeof deliveries)[number]
  const position = wrongByte[kind]
  expected.set(mac)
  given.set(mac)
  given[position] = (given[position] as number) ^ (1 + Math.floor(Math.random() * 255))
  return { id, expected, given, text: `v1,${given.toString('base64')}` }
}

const measurements = [
  measure('verify, refusing a forged signature (the whole function)', ({ id, text }) => {
    try {
      verify({ headers: { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': text }, body }, secret, clock)
    } catch {}
  }),
  measure('timingSafeEqual of the 32 bytes, alone', ({ given, expected }) => void timingSafeEqual(given, expected)),
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
  // Until the code is compiled.
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
  // One limit for both classes: separate limits would hide a difference.
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

If the time of a refusal reveals how many bytes of a forged signature are right, an attacker can find the signature byte by byte.
So signatures are compared with \`timingSafeEqual\` of \`node:crypto\` and with nothing else. A gate in the ordinary test run follows
everything that is computed from a secret through the sources of core, and fails on any other comparison.

The gate is what we rely on. The measurement below is a second opinion and no gate, because it depends on the machine.

## What was measured

Forged signatures for thousands of deliveries, in two classes: wrong in the first byte, and wrong in the last byte only. They are
checked in random order, each check is timed, the slowest tenth is cut off (with one limit for both classes), and the means are
compared with Welch's t-test. Above |t| = 4.5 there is a difference (dudect's threshold).

| what | wrong in the first byte, ns | wrong in the last byte, ns | t | a difference? | would have been found, ns | samples |
| --- | ---: | ---: | ---: | --- | ---: | ---: |
${rows.join('\n')}

"Would have been found" is the power: the smallest difference that the measurement finds with a probability of 90 %. For \`verify\` as
a whole it is ${whole.detectable.toFixed(1)} ns. The control is a comparison that does stop at the first wrong byte: ${
    shows
      ? 'the measurement finds it, so it can find\nwhat it looks for.'
      : 'here the\nmeasurement did not find even that, so it says nothing about this machine.'
  }

Node ${process.version}, ${cpus()[0]?.model ?? 'an unknown processor'}, in one process without a network in between. Over a network, only differences that are
larger by orders of magnitude can be seen.

## What is not covered

- A secret is parsed when the receiver is created, or when a \`secret\` function first returns it, and that takes a time that depends
  on its length. The function itself takes as long as it takes.
- How far a delivery gets (headers, window, body, signature, envelope) can be seen in its reply, by design: each refusal has its
  code. The exception is a request without a secret, which is answered like a forgery and checked against one random secret.
- With several secrets, a delivery signed with the second takes longer than one signed with the first, by up to two HMACs. Likewise
  a forgery takes longer for a tenant with two secrets than for one with one. That reveals that a rotation is going on.
`
}
