import { randomUUID } from 'node:crypto'
import { scrapeNestEventTypes } from '@scrapenest-webhooks/core'
import type { DeliveryReply, Fault } from '@scrapenest-webhooks/simulator'
import { type Command, Option } from 'commander'
import { collect, parseAssignment, parseSeconds, parseUrl, readSecret } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { dim, green, printJson, printLine, red, yellow } from '../terminal/print.ts'
import { withoutCredentials } from '../terminal/without-credentials.ts'
import { describeBody } from '../trigger/describe-body.ts'
import { isExpectedReply } from '../trigger/expected-reply.ts'
import { nextStep } from '../trigger/next-step.ts'
import { applyOverride, parseOverride } from '../trigger/override.ts'

/** Faults of a single request, each with its option. */
const requestFaults = ['tamper', 'stale', 'reserialize', 'slow', 'drop'] as const satisfies readonly Fault[]

type TriggerOptions = {
  readonly to: string
  readonly secret?: string
  readonly override?: readonly string[]
  /** In milliseconds. */
  readonly timeout: number
  readonly duplicate?: boolean
  readonly json?: boolean
} & Partial<Record<(typeof requestFaults)[number], boolean>>

export function addTrigger(program: Command): void {
  program
    .command('trigger')
    .argument('<event>', `an event type: ${scrapeNestEventTypes.join(', ')}, or any other`)
    .description('Send one signed event to your server')
    .option('-t, --to <url>', 'your endpoint', parseUrl, 'http://localhost:3000/webhooks/scrapenest')
    .option('--secret <whsec>', 'the secret to sign with; default: SCRAPENEST_WEBHOOK_SECRET')
    .option(
      '-o, --override <key=value>',
      'set a field, such as data.status=failed (repeatable); values can be JSON',
      collect,
    )
    .addOption(
      new Option('--timeout <seconds>', 'how long to wait for the reply')
        .argParser(parseSeconds({ min: 0.1, max: 86_400 }))
        .default(10_000, '10'),
    )
    .option('--duplicate', 'send the same event twice')
    .option('--tamper', 'change one bit of the body after signing')
    .option('--stale', 'sign the event with a timestamp ten minutes ago')
    .option('--reserialize', 'serialize the JSON again after signing, as a proxy would')
    .option('--slow', 'send the body in pieces')
    .option('--drop', 'close the connection in the middle of the body')
    .option('--json', 'print one line of JSON per delivery')
    .addHelpText(
      'after',
      `
Exit code 0 means that the server replied correctly. It must accept the event
(2xx). With --tamper, --stale or --reserialize, it must refuse it (400, 401,
403). With --drop, it must be reachable.

Examples:
  $ scrapenest-webhooks trigger artifact.ready -o data.artifact_type=screenshot
  $ scrapenest-webhooks trigger job.completed -o data.status=failed
  $ scrapenest-webhooks trigger job.created -o 'data={"job_id":"job_1"}'
  $ scrapenest-webhooks trigger job.created --tamper`,
    )
    .action(trigger)
}

async function trigger(eventType: string, options: TriggerOptions): Promise<void> {
  const secret = readSecret(options.secret)
  const { eventBody, sampleEvent, sendDelivery } = await import('@scrapenest-webhooks/simulator')
  const overrides = (options.override ?? []).map(parseAssignment).map(parseOverride)
  // The sample of a failed job has different fields from that of a successful one.
  const status = overrides.find(({ path }) => path.join('.') === 'data.status')?.value
  const sample = sampleEvent(eventType, status === 'failed' ? { status } : {})
  const event = overrides.reduce(applyOverride, sample)
  const faults = new Set(requestFaults.filter((fault) => options[fault]))
  const messageId = `msg_${randomUUID().replaceAll('-', '')}`
  const delivery = { url: options.to, messageId, body: eventBody(event), secrets: [secret], timeoutMs: options.timeout }
  const replies = [await sendDelivery({ ...delivery, faults })]
  if (options.duplicate) replies.push(await sendDelivery(delivery))
  for (const reply of replies) {
    const isExpected = isExpectedReply(reply, faults)
    if (!isExpected) process.exitCode = exitCodes.problemFound
    if (options.json) printJson({ event, messageId, ...reply, isExpected })
    else printReply(eventType, reply, isExpected)
  }
  if (options.json) return
  const unexpected = replies.find((reply) => !isExpectedReply(reply, faults))
  if (unexpected !== undefined) printLine('  ', nextStep(unexpected, withoutCredentials(options.to)))
  if (!scrapeNestEventTypes.some((known) => known === eventType)) {
    // The reply to a misspelled type is the same 202.
    printLine('  ', yellow(`${eventType} is not one of ScrapeNest's event types: ${scrapeNestEventTypes.join(', ')}.`))
  }
}

function printReply(eventType: string, reply: DeliveryReply, isExpected: boolean): void {
  const { statusCode, responseBody, location, failure, latencyMs } = reply
  const result = statusCode === undefined ? failure : `${statusCode} ${describeBody(responseBody)}`
  printLine(isExpected ? green('✓') : red('✗'), ` ${eventType} ${result} `, dim(`${latencyMs} ms`))
  if (location !== undefined) printLine('  ', yellow(`The reply redirects to ${location}. Redirects are not followed.`))
}
