import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as core from '@scrapenest-webhooks/core'
import { errorReply, pageUrl } from '@scrapenest-webhooks/core/adapter'
import { createEvent, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { describe, expect, it } from 'vitest'
import { repository } from './code-blocks.ts'
import { allPages, readPage } from './pages.ts'

/** An object, so that the compiler reports a missing code. */
const allCodes: Readonly<Record<core.WebhookErrorCode, true>> = {
  body_aborted: true,
  body_timeout: true,
  body_too_large: true,
  configuration_invalid: true,
  content_encoding_unsupported: true,
  content_type_unsupported: true,
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

/** As above. */
const allReportOnly: Readonly<Record<Exclude<core.ReportCode, core.WebhookErrorCode>, true>> = {
  event_dead: true,
  event_unreadable: true,
  hook_failed: true,
  lease_ended: true,
}
const reportOnly = Object.keys(allReportOnly)

describe('docs/errors', () => {
  it('has one page per code, and no other', async () => {
    const pages = (await readdir(join(repository, 'docs/errors'))).filter((name) => name !== 'README.md')

    expect(pages.sort()).toEqual([...codes, ...reportOnly].map((code) => `${code}.md`).sort())
  })

  it.each(codes)('says what happened, what the sender receives and what is reported: %s', async (code) => {
    const seen = await cause(code)
    const page = await readPage(`docs/errors/${code}.md`)

    expect(seen.results).toEqual(Array.from({ length: times }, () => (code === 'permanent_failure' ? 'dropped' : code)))
    expect(page).toMatch(new RegExp(`^# \`${code}\`\n`))
    expect(page).toContain(`- **The sender gets** ${replyAsWritten(seen.reply)}\n`)
    expect(page).toContain(`- ${loggedAsWritten(seen.levels)} \`onError\` is ${alarmsAsWritten(seen.alarms)}`)
    for (const heading of ['## Likely causes', '## What to do', '```ts']) expect(page).toContain(heading)
  })

  it.each(reportOnly)('says what happened and what to do: %s', async (code) => {
    const page = await readPage(`docs/errors/${code}.md`)

    expect(page).toMatch(new RegExp(`^# \`${code}\`\n\n> .+\n`))
    for (const part of ['- **The sender gets** nothing', '## Likely causes', '## What to do', '```ts']) {
      expect(page).toContain(part)
    }
    expect(await readPage('docs/errors/README.md')).toContain(`[\`${code}\`](${code}.md)`)
  })

  it.each(codes)('quotes the message, which leads to the page: %s', async (code) => {
    const [, quoted] = /\n> (.+)\n/.exec(await readPage(`docs/errors/${code}.md`)) ?? []

    expect(errorOf(code).message).toBe(`${quoted} ${pageUrl(`errors/${code}.md`)}`)
  })

  it('lists each code once in the index, with its status and a link', async () => {
    const rows = (await readPage('docs/errors/README.md')).matchAll(/^\| \[`(\w+)`\]\((\w+)\.md\) +\| (\d+) +\|/gm)
    const listed = [...rows].map(([, code, page, status]) => ({ code, page, status: Number(status) }))

    expect(listed.sort((one, other) => String(one.code).localeCompare(String(other.code)))).toEqual(
      codes.map((code) => ({ code, page: code, status: errorReply(errorOf(code)).status })),
    )
  })
})

describe('the reply tables', () => {
  it.each([
    ['README.md', 3],
    ['docs/errors/README.md', 6],
  ])("list the statuses of core's reply table: %s", async (page, atLeast) => {
    const rows = [...(await readPage(page)).matchAll(/^\| .+ \| (\d{3}) `(\w+)`/gm)]
    const failures = rows.filter(([, , code]) => !['accepted', 'duplicate', 'dropped'].includes(code as string))

    expect(failures.length).toBeGreaterThanOrEqual(atLeast)
    for (const [, status, code] of failures) {
      expect([code, errorReply(errorOf(code as core.WebhookErrorCode)).status]).toEqual([code, Number(status)])
    }
    expect(errorReply(new core.PermanentError('x')).status).toBe(202)
  })
})

describe('the troubleshooting page', async () => {
  const page = await readPage('docs/guides/troubleshooting.md')
  const sections = [...page.matchAll(/^## The reply is ([\d]{3})[^\n]*\n([\s\S]*?)(?=^## )/gm)]

  it('lists each code under the status of its reply', () => {
    const listed = sections.flatMap(([, status, text = '']) =>
      [...text.matchAll(/^\| \[`(\w+)`\]/gm)].map(([, code]) => [code, Number(status)]),
    )

    expect(sections.length).toBeGreaterThan(6)
    expect(listed.length).toBeGreaterThan(15)
    for (const [code, status] of listed) {
      expect([code, errorReply(errorOf(code as core.WebhookErrorCode)).status]).toEqual([code, status])
    }
  })

  it('links every code that a sender gets as a failure', () => {
    const answered = codes.filter((code) => !['permanent_failure', 'secret_not_found'].includes(code))

    expect(answered.filter((code) => !page.includes(`](../errors/${code}.md)`))).toEqual([])
  })
})

describe('every page', async () => {
  const texts = await Promise.all((await allPages()).map(async (page) => [page, await readPage(page)] as const))
  const replies = texts.flatMap(([page, text]) =>
    [...text.matchAll(/\b([1-5]\d{2}) \[?`(\w+)`/g)].map(([, status, code]) => ({
      page,
      status: Number(status),
      code,
    })),
  )
  const failures = replies.filter(({ code }) => codes.includes(code as core.WebhookErrorCode))

  it('names a code with the status of its reply', () => {
    expect(failures.length).toBeGreaterThan(30)
    expect(
      failures.filter(({ status, code }) => errorReply(errorOf(code as core.WebhookErrorCode)).status !== status),
    ).toEqual([])
  })
})

describe('the option tables', () => {
  it.each(['core', 'fastify', 'koa', 'express', 'node'])('list exactly the options of a receiver: %s', async (name) => {
    const page = await readPage(`packages/${name}/README.md`)
    const [, section = ''] = /^## Receiver options\n([\s\S]*?)^(?:Instead|## )/m.exec(page) ?? []
    const named = [...section.matchAll(/^\| `(\w+)` +\|/gm)].map(([, option]) => option)

    expect(named.sort()).toEqual(receiverOptions())
  })
})

/** An error with this code and the message that the table has for it. */
function errorOf(code: core.WebhookErrorCode): Error {
  if (code === 'retry_later') return new core.RetryLaterError()
  if (code === 'schema_mismatch') return new core.SchemaMismatchError('artifact.ready', [])
  return new core.WebhookError(code)
}

interface Cause {
  readonly options?: Partial<core.ReceiverOptions<core.ScrapeNestEvents>>
  readonly payload?: string
  readonly request?: (request: core.WebhookRequest) => Partial<core.WebhookRequest>
  readonly isClosed?: boolean
}

const endless = new Promise<never>(() => {})
const lost = (): never => {
  throw new core.WebhookError('raw_body_unavailable')
}
const store: core.DuplicateStore = { claim: () => ({ state: 'in_progress' }), complete() {}, release() {} }

/** How to cause each code. */
const causes: Readonly<Record<core.WebhookErrorCode, Cause>> = {
  body_aborted: { request: () => ({ body: () => Promise.reject(new Error('reset')) }) },
  body_timeout: { options: { replyTimeoutMs: 20 }, request: () => ({ body: () => endless }) },
  body_too_large: { options: { maxBodyBytes: 1 } },
  configuration_invalid: { options: { secret: () => 'whsec_malformed!' } },
  content_encoding_unsupported: withHeader('content-encoding', () => 'gzip'),
  content_type_unsupported: {
    request: ({ headers }) => ({ headers: { ...headers, 'content-type': 'text/plain' }, body: lost }),
  },
  duplicate_header: withHeader('SVIX-ID', () => 'another'),
  envelope_invalid: { payload: 'not JSON' },
  event_in_progress: { options: { duplicates: store } },
  handler_failed: { options: throwing(() => new Error('handler')) },
  handler_timeout: { options: { replyTimeoutMs: 20, onEvent: { '*': () => endless } } },
  message_id_invalid: withHeader('svix-id', (id) => `${id}.1`),
  method_not_allowed: { request: () => ({ method: 'GET' }) },
  missing_header: withHeader('svix-id', () => ''),
  no_supported_signature: withHeader('svix-signature', () => 'v2,x'),
  permanent_failure: { options: throwing(() => new core.PermanentError('useless')) },
  raw_body_unavailable: { request: () => ({ body: lost }) },
  receiver_closing: { isClosed: true },
  retry_later: { options: throwing(() => new core.RetryLaterError()) },
  schema_mismatch: { options: { schemas: { 'job.created': rejectingSchema() } } },
  secret_not_found: { options: { secret: () => undefined } },
  secret_unavailable: { options: { secret: () => Promise.reject(new Error('vault')) } },
  signature_mismatch: { options: { secret: generateSecret() } },
  source_not_allowed: { options: { allowedSources: ['192.0.2.1'] } },
  store_unavailable: { options: { duplicates: { ...store, claim: () => Promise.reject(new Error('connection')) } } },
  timestamp_invalid: withHeader('svix-timestamp', (timestamp) => `+${timestamp}`),
  timestamp_outside_tolerance: withHeader('svix-timestamp', () => '1'),
}

function withHeader(name: string, change: (value: string) => string): Cause {
  return {
    request: ({ headers }) => {
      const given = headers as Record<string, string>
      return { headers: { ...given, [name]: change(String(given[name])) } }
    },
  }
}

function throwing(create: () => Error): NonNullable<Cause['options']> {
  return {
    onEvent: {
      '*': () => {
        throw create()
      },
    },
  }
}

function rejectingSchema(): core.StandardSchema<never> {
  return { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'rejected' }] }) } }
}

/** More than once, to distinguish failures reported each time from those that are counted. */
const times = 3

/** Causes a failure, and collects the reply, the log lines and the hook calls. */
async function cause(code: core.WebhookErrorCode): Promise<{
  readonly reply: core.WebhookReply
  readonly results: readonly string[]
  readonly levels: readonly ('warning' | 'error')[]
  readonly alarms: number
}> {
  const { options, payload, request = () => ({}), isClosed = false } = causes[code]
  const secret = generateSecret()
  const levels: ('warning' | 'error')[] = []
  const results: string[] = []
  let alarms = 0
  const receiver = core.createReceiver({
    secret,
    logger: { warn: () => levels.push('warning'), error: () => levels.push('error') },
    onError: () => {
      alarms += 1
    },
    onDelivery: ({ result }) => void results.push(result),
    ...options,
  })
  if (isClosed) await receiver.close()
  const replies: core.WebhookReply[] = []
  for (let sent = 0; sent < times; sent += 1) {
    const { method, headers, body } = signDelivery(payload ?? createEvent('job.created'), { secret })
    const delivery = { method, headers, body: () => body, remoteAddress: '127.0.0.1' }
    replies.push(await receiver.receive({ ...delivery, ...request(delivery) }))
  }
  const seen = { reply: replies[0] as core.WebhookReply, results, levels: [...levels], alarms }
  await receiver.close({ graceMs: 0 })
  expect(new Set(replies.map(({ body }) => body)).size).toBe(1)
  return seen
}

function replyAsWritten({ status, headers, body }: core.WebhookReply): string {
  const extra = Object.entries(headers).filter(([name]) => name !== 'content-type' && name !== 'connection')
  const written = extra.map(
    ([name, value]) => ` with \`${name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())}: ${value}\``,
  )
  return `\`${status}\` \`${body}\`${written.join('')}`
}

function loggedAsWritten(levels: readonly string[]): string {
  if (levels.length === 0) return '**Not logged**: an expected outcome.'
  const logged = `**Logged** ${levels[0] === 'error' ? 'as an error' : 'as a warning'}`
  if (levels.length === times) return `${logged}, every time.`
  return `${logged}: the first immediately, then a count per minute.`
}

function alarmsAsWritten(alarms: number): string {
  if (alarms === 0) return 'not called.'
  return alarms === times ? 'called every time.' : 'called, at most once a minute.'
}

/** The known options, from the message for an unknown one. */
function receiverOptions(): readonly string[] {
  try {
    core.createReceiver({ secret: generateSecret(), noSuchOption: true } as never)
  } catch (error) {
    const [, names] = /The options are (.+?)\. /.exec((error as Error).message) ?? []
    if (names !== undefined) return names.split(', ').sort()
  }
  throw new Error('Expected the message for an unknown option to list the options.')
}
