import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as core from '@scrapenest-webhooks/core'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { repository } from './code-blocks.ts'
import { readPage } from './pages.ts'

/** Written out, so that the compiler says when a code is missing here. */
const allCodes: Readonly<Record<core.WebhookErrorCode, true>> = {
  body_aborted: true,
  body_timeout: true,
  body_too_large: true,
  configuration_invalid: true,
  content_encoding_unsupported: true,
  duplicate_header: true,
  envelope_invalid: true,
  event_in_progress: true,
  handler_failed: true,
  handler_timeout: true,
  message_id_invalid: true,
  method_not_allowed: true,
  missing_header: true,
  no_supported_signature: true,
  permanent_failure: true,
  raw_body_unavailable: true,
  receiver_closing: true,
  retry_later: true,
  schema_mismatch: true,
  secret_not_found: true,
  secret_unavailable: true,
  signature_mismatch: true,
  source_not_allowed: true,
  store_unavailable: true,
  timestamp_invalid: true,
  timestamp_outside_tolerance: true,
}
const codes = Object.keys(allCodes) as readonly core.WebhookErrorCode[]
const errors = codes.map((code) => new core.WebhookError(code))

describe('docs/errors', () => {
  it('has a page for each code, and no other', async () => {
    const pages = (await readdir(join(repository, 'docs/errors'))).filter((name) => name !== 'README.md')

    expect(pages.sort()).toEqual(codes.map((code) => `${code}.md`).sort())
  })

  it.each(errors.map((error) => [error.code, error] as const))('says what the sender gets: %s', async (code, error) => {
    const { status, headers, body } = core.errorReply(error)
    const extra = Object.entries(headers).filter(([name]) => name !== 'content-type')
    const written = extra.map(
      ([name, value]) => ` with \`${name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())}: ${value}\``,
    )
    const page = await readPage(`docs/errors/${code}.md`)

    expect(page).toMatch(new RegExp(`^# \`${code}\`\n`))
    expect(page).toContain(`- **The sender gets** \`${status}\` \`${body}\`${written.join('')}\n`)
    for (const heading of ['## Likely causes', '## What to do', '```ts']) expect(page).toContain(heading)
  })

  it.each(errors.map((error) => [error.code, error] as const))('says who is told: %s', async (code, error) => {
    const told = await whoIsTold(error)
    const page = await readPage(`docs/errors/${code}.md`)

    expect(/- \*\*Logged\*\* (as a warning|as an error|nowhere)/.exec(page)?.[1]).toBe(told.logged)
    expect(/`onError` (is|is not) told/.exec(page)?.[1]).toBe(told.onError ? 'is' : 'is not')
  })

  it('lists each code once in its index, with its status and a link', async () => {
    const rows = (await readPage('docs/errors/README.md')).matchAll(/^\| \[`(\w+)`\]\((\w+)\.md\) +\| (\d+) +\|/gm)
    const listed = [...rows].map(([, code, page, status]) => ({ code, page, status: Number(status) }))

    expect(listed.sort((one, other) => String(one.code).localeCompare(String(other.code)))).toEqual(
      errors.map((error) => ({ code: error.code, page: error.code, status: core.errorReply(error).status })),
    )
  })
})

describe('the README', () => {
  it('names the statuses that the reply table has', async () => {
    const rows = [...(await readPage('README.md')).matchAll(/^\| .+ \| (\d{3}) `(\w+)`/gm)]
    const failures = rows.filter(([, , code]) => !['accepted', 'duplicate', 'dropped'].includes(code as string))

    expect(failures.length).toBeGreaterThanOrEqual(6)
    for (const [, status, code] of failures) {
      const error = errors.find((one) => one.code === code)
      expect([code, core.errorReply(error).status]).toEqual([code, Number(status)])
    }
    expect(core.errorReply(new core.PermanentError('x')).status).toBe(202)
  })
})

describe('the tables of options', () => {
  it.each(['core', 'fastify', 'koa', 'express', 'node'])(
    'name every option of a receiver, and no other: %s',
    async (name) => {
      const page = await readPage(`packages/${name}/README.md`)
      const [, section = ''] = /^## Options of the receiver\n([\s\S]*?)^(?:Instead|## )/m.exec(page) ?? []
      const named = [...section.matchAll(/^\| `(\w+)` +\|/gm)].map(([, option]) => option)

      expect(named.sort()).toEqual(receiverOptions())
    },
  )
})

/** Whether log and `onError` hear of a failure, found out by letting it happen. */
async function whoIsTold(error: core.WebhookError): Promise<{ logged: string; onError: boolean }> {
  const secret = generateSecret()
  const lines: string[] = []
  const toldErrors: unknown[] = []
  const isOfHandler = ['handler_failed', 'permanent_failure', 'retry_later'].includes(error.code)
  const receiver = core.createReceiver({
    secret,
    logger: { warn: () => lines.push('as a warning'), error: () => lines.push('as an error') },
    onError: (told) => toldErrors.push(told),
    onEvent: {
      'job.created': () => {
        if (isOfHandler) throw error.code === 'handler_failed' ? new Error('of the handler') : error
      },
    },
    schemas: error.code === 'schema_mismatch' ? { 'job.created': refusingSchema } : undefined,
  })
  const { headers, body } = signDelivery(createEvent('job.created'), { secret })
  const isThrownByBody = !isOfHandler && error.code !== 'schema_mismatch'
  const reply = await receiver.receive({
    method: 'POST',
    headers,
    body: async () => {
      if (isThrownByBody) throw error
      return body
    },
  })
  expect(reply.body).toContain(error.code === 'permanent_failure' ? 'dropped' : error.code)
  await receiver.close()
  expect(lines.length).toBeLessThanOrEqual(1)
  return { logged: lines[0] ?? 'nowhere', onError: toldErrors.length > 0 }
}

const refusingSchema: core.StandardSchema<never> = {
  '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'refused' }] }) },
}

/** The message for an unknown option lists the known ones. */
function receiverOptions(): readonly string[] {
  try {
    core.createReceiver({ secret: generateSecret(), noSuchOption: true } as never)
  } catch (error) {
    const [, names] = /The options are (.+)\.$/.exec((error as Error).message) ?? []
    if (names !== undefined) return names.split(', ').sort()
  }
  throw new Error('Expected an unknown option to be refused with the list of options.')
}
