import { randomUUID } from 'node:crypto'
import { scrapeNestEventTypes } from '@scrapenest-webhooks/core'
import type { DeliveryReply, Fault } from '@scrapenest-webhooks/simulator'
import type { Command } from 'commander'
import { collect, parseAssignment, parseNumber, parseUrl, secretOf } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { dim, green, printJson, printLine, redResult } from '../output.ts'

const sendable = ['tamper', 'stale', 'reserialize', 'slow', 'drop'] as const satisfies readonly Fault[]

type TriggerOptions = {
  readonly to: string
  readonly secret?: string
  readonly override?: readonly string[]
  readonly timeout: number
  readonly duplicate?: boolean
  readonly json?: boolean
} & Partial<Record<(typeof sendable)[number], boolean>>

export function addTrigger(program: Command): void {
  program
    .command('trigger')
    .argument('<event>', `an event type: ${scrapeNestEventTypes.join(', ')}, or any other`)
    .description('Send one signed event to your server')
    .option('-t, --to <url>', 'your endpoint', parseUrl, 'http://localhost:3000/webhooks/scrapenest')
    .option('--secret <whsec>', 'signs; default: SCRAPENEST_WEBHOOK_SECRET')
    .option(
      '-o, --override <key=value>',
      'set a field, as data.status=failed (repeatable); a value may be JSON',
      collect,
    )
    .option('--timeout <seconds>', 'how long to wait for the answer', parseNumber({ min: 0.1 }), 10)
    .option('--duplicate', 'send the same event twice')
    .option('--tamper', 'change one bit of the body after signing')
    .option('--stale', 'sign it ten minutes ago')
    .option('--reserialize', 'write the JSON anew after signing, as a proxy would')
    .option('--slow', 'send the body in pieces')
    .option('--drop', 'end the connection in the middle of the body')
    .option('--json', 'one line of JSON for each delivery')
    .addHelpText(
      'after',
      `
Exit code 0: the server did what it should. That is to accept (2xx), and with --tamper, --stale or --reserialize to
refuse (4xx).

Examples:
  $ scrapenest-webhooks trigger artifact.ready --override data.artifact_type=screenshot
  $ scrapenest-webhooks trigger job.completed -o data.status=failed -o data.failure_reason=timeout
  $ scrapenest-webhooks trigger job.created --tamper`,
    )
    .action(trigger)
}

async function trigger(eventType: string, options: TriggerOptions): Promise<void> {
  const secret = secretOf(options.secret)
  const { eventBody, sendDelivery } = await import('@scrapenest-webhooks/simulator')
  const event = await eventOf(eventType, (options.override ?? []).map(parseAssignment))
  const faults = new Set(sendable.filter((fault) => options[fault]))
  const messageId = `msg_${randomUUID().replaceAll('-', '')}`
  const delivery = {
    url: options.to,
    messageId,
    body: eventBody(event),
    secrets: [secret],
    timeoutMs: Math.round(options.timeout * 1000),
  }
  const replies = [await sendDelivery({ ...delivery, faults })]
  if (options.duplicate) replies.push(await sendDelivery(delivery))
  let isInOrder = true
  for (const reply of replies) {
    const isExpected = isAsItShould(reply, faults)
    isInOrder &&= isExpected
    if (options.json) printJson({ event, messageId, ...reply, isExpected })
    else printReply(eventType, reply, isExpected)
  }
  if (!isInOrder) process.exitCode = exitCodes.notInOrder
}

function printReply(eventType: string, reply: DeliveryReply, isExpected: boolean): void {
  const mark = isExpected ? green('✓') : redResult('✗')
  const answer = reply.statusCode === undefined ? reply.failure : `${reply.statusCode} ${reply.responseBody}`
  printLine(`${mark} ${eventType} ${answer} ${dim(`${reply.latencyMs} ms`)}`)
}

function isAsItShould({ statusCode }: DeliveryReply, faults: ReadonlySet<Fault>): boolean {
  if (faults.has('drop')) return statusCode === undefined
  const isForged = faults.has('tamper') || faults.has('stale') || faults.has('reserialize')
  const expected = isForged ? 400 : 200
  return statusCode !== undefined && statusCode >= expected && statusCode < expected + 100
}

async function eventOf(
  eventType: string,
  overrides: readonly (readonly [string, unknown])[],
): Promise<Record<string, unknown>> {
  const { createEvent } = await import('@scrapenest-webhooks/testing')
  const envelope: Record<string, unknown> = {}
  const data: Record<string, unknown> = {}
  for (const [key, value] of overrides) {
    if (key.startsWith('data.')) data[key.slice('data.'.length)] = value
    else envelope[key] = value
  }
  const known = scrapeNestEventTypes.find((type) => type === eventType)
  if (known !== undefined) return createEvent(known, { ...envelope, data }) as unknown as Record<string, unknown>
  const { data: _, ...sample } = createEvent('job.created')
  return { ...sample, event_type: eventType, schema_ref: `schemas/webhooks/v1/${eventType}.json`, ...envelope, data }
}
