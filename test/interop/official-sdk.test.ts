import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { verifyEvent } from '@scrapenest-webhooks/core'
import { codeOf } from '@scrapenest-webhooks/core/adapter'
import { generateSecret } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { readPage } from '../docs/pages.ts'
import { needSdk, runPython } from '../simulator/official-sdk.ts'

/** A change to a genuine delivery. Applied before signing, except to the signature header. */
interface Change {
  readonly id?: string
  readonly timestamp?: (seconds: number) => string
  readonly signature?: (base64: string) => string
  readonly body?: string
  readonly secret?: string
}

const forged = `v1,${'A'.repeat(43)}=`

/** What ScrapeNest's SDK accepts and we refuse, in the words of docs/reference, with the code. */
const refusedByOurs: readonly (readonly [form: string, code: string, changes: readonly Change[]])[] = [
  ['`v1=` before a signature', 'no_supported_signature', [{ signature: (base64) => `v1=${base64}` }]],
  ['`v1:` before a signature', 'no_supported_signature', [{ signature: (base64) => `v1:${base64}` }]],
  ['a signature without a prefix', 'no_supported_signature', [{ signature: (base64) => base64 }]],
  [
    'signatures separated by tabs',
    'no_supported_signature',
    [{ signature: (base64) => `${forged}\tv1,${base64}` }, { signature: (base64) => `\tv1,${base64}` }],
  ],
  [
    'a signature after the sixteenth',
    'signature_mismatch',
    [{ signature: (base64) => `${`${forged} `.repeat(16)}v1,${base64}` }],
  ],
  ['a timestamp with leading zeros', 'timestamp_invalid', [{ timestamp: (seconds) => `000${seconds}` }]],
  ['an id with a period', 'message_id_invalid', [{ id: 'msg.1' }]],
  [
    'an id with a comma, a space, or characters beyond ASCII, or of more than 256 characters',
    'message_id_invalid',
    [{ id: 'a,b' }, { id: 'a b' }, { id: 'é' }, { id: 'a'.repeat(257) }],
  ],
  [
    'a body that is JSON but not an event',
    'envelope_invalid',
    [{ body: '[]' }, { body: '7' }, { body: '{}' }, { body: '{"event_type":7}' }],
  ],
  ['`NaN` and `Infinity` in the JSON', 'envelope_invalid', [{ body: '{"event_type":"job.created","data":NaN}' }]],
  [
    'a secret without `whsec_` and base64, or of less than 16 bytes',
    'configuration_invalid',
    [{ secret: 'anything' }, { secret: 'whsec_c2hvcnQ=' }],
  ],
]

interface Delivery {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly secret: string
}

/** Signs with the text of the secret as the key, as the SDK does. */
function deliveryWith(change: Change): Delivery {
  const { id = 'msg_1', secret = generateSecret(), timestamp = String, signature = (base64) => `v1,${base64}` } = change
  const body = Buffer.from(change.body ?? '{"event_type":"job.created"}')
  const seconds = timestamp(Math.floor(Date.now() / 1000))
  const mac = createHmac('sha256', secret).update(`${id}.${seconds}.`).update(body).digest('base64')
  return { headers: { 'svix-id': id, 'svix-timestamp': seconds, 'svix-signature': signature(mac) }, body, secret }
}

function outcomeOf({ headers, body, secret }: Delivery): string {
  try {
    verifyEvent({ headers, body }, secret)
    return 'accepted'
  } catch (error) {
    return String(codeOf(error))
  }
}

async function outcomesOfSdk(deliveries: readonly Delivery[]): Promise<readonly string[]> {
  const input = JSON.stringify(deliveries.map((delivery) => ({ ...delivery, body: delivery.body.toString('hex') })))
  const script = join(import.meta.dirname, 'official-sdk-verify.py')
  const { stdout, stderr } = await runPython([script], input)
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

describe("deliveries that ScrapeNest's SDK accepts and we refuse", { timeout: 120_000 }, () => {
  const all = refusedByOurs.flatMap(([form, code, changes]) => changes.map((change) => ({ form, code, change })))

  it('are exactly the listed ones', async (context) => {
    await needSdk(context)
    const deliveries = all.map(({ change }) => deliveryWith(change))
    const sdk = await outcomesOfSdk(deliveries)
    const outcomes = all.map(({ form }, at) => ({ form, sdk: sdk[at], ours: outcomeOf(deliveries[at] as Delivery) }))
    expect(outcomes).toEqual(all.map(({ form, code }) => ({ form, sdk: 'accepted', ours: code })))
    expect([await outcomesOfSdk([deliveryWith({})]), outcomeOf(deliveryWith({}))]).toEqual([['accepted'], 'accepted'])
  })

  it('are listed in docs/reference, to which the error pages on headers link', async () => {
    const reference = await readPage('docs/reference/scrapenest-api.md')
    const [, table = ''] = reference.split('### What the SDK accepts and ours refuses\n')
    const rows = [...(table.split('\n#')[0] ?? '').matchAll(/^\| (.+?) +\| `(\w+)` +\|$/gm)]
    expect(rows.map(([, form, code]) => [form, code])).toEqual(refusedByOurs.map(([form, code]) => [form, code]))

    for (const code of ['no_supported_signature', 'timestamp_invalid', 'message_id_invalid']) {
      expect(await readPage(`docs/errors/${code}.md`)).toContain(
        'scrapenest-api.md#what-the-sdk-accepts-and-ours-refuses',
      )
    }
    const page = await readPage('docs/errors/no_supported_signature.md')
    const words = ['`v1=` or `v1:`', 'without a prefix', 'separated by tabs', 'leading zeros', 'period']
    for (const form of words) expect(page.replaceAll(/\s+/g, ' ')).toContain(form)
  })
})
