import { readFile } from 'node:fs/promises'
import { buffer as readAll } from 'node:stream/consumers'
import { isWebhookError, verify, verifyEvent, type WebhookErrorCode } from '@scrapenest-webhooks/core'
import type { Command } from 'commander'
import { collect, parseNumber, secretOf } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { dim, green, printJson, printLine, redResult, yellow } from '../output.ts'
import { UsageError } from '../report-failure.ts'

interface VerifyOptions {
  readonly headers?: string
  readonly header?: readonly string[]
  readonly body: string
  readonly secret?: readonly string[]
  readonly tolerance: number
  readonly now?: string
  readonly json?: boolean
}

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('Check the signature of a captured delivery, and say exactly why it fails')
    .requiredOption('-b, --body <file>', 'the raw body, byte for byte; - reads stdin')
    .option('-H, --header <name: value>', 'a header of the delivery (repeatable)', collect)
    .option('--headers <file>', 'the headers: lines of "name: value", or a JSON object')
    .option('--secret <whsec>', 'the secret; repeat for several. Default: SCRAPENEST_WEBHOOK_SECRET', collect)
    .option('--tolerance <seconds>', 'how far the timestamp may be off', parseNumber({ min: 0 }), 300)
    .option('--now <time>', 'judge it at this time: ISO 8601, Unix seconds, or "sent" for the time it was signed')
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ scrapenest-webhooks verify --headers headers.txt --body body.bin --now sent
  $ curl -s … | scrapenest-webhooks verify -b - -H 'svix-id: msg_1' -H 'svix-timestamp: 1760000000' -H 'svix-signature: v1,…'`,
    )
    .action(verifyDelivery)
}

async function verifyDelivery(options: VerifyOptions): Promise<void> {
  const headers = await headersOf(options)
  const body = options.body === '-' ? await readAll(process.stdin) : await readFile(options.body)
  const secrets = options.secret ?? [secretOf(undefined)]
  const nowMs = timeOf(options.now, headers)
  const delivery = { headers, body, secrets, settings: { toleranceSeconds: options.tolerance, now: () => nowMs } }
  const verdict = judge(delivery)
  if (!verdict.isValid) process.exitCode = exitCodes.notInOrder
  if (options.json) printJson(verdict)
  else if (verdict.isValid) printVerified(verdict, secrets.length)
  else printRefusal(verdict)
}

interface Verified {
  readonly isValid: true
  readonly id: string
  readonly sentAt: Date
  readonly secretIndex: number
  readonly event: { readonly event_type: string; readonly event_id: string } | { readonly problem: string }
}

interface Refused {
  readonly isValid: false
  readonly code: WebhookErrorCode
  readonly message: string
  /** What was probably done to the body. */
  readonly hint: string | undefined
}

function judge(delivery: CapturedDelivery): Verified | Refused {
  const { headers, body, secrets, settings } = delivery
  try {
    const { messageId, sentAt, secretIndex } = verify({ headers, body }, secrets, settings)
    return { isValid: true, id: messageId, sentAt, secretIndex, event: readEvent(delivery) }
  } catch (error) {
    if (!isWebhookError(error) || error.code === 'configuration_invalid') throw error
    const { code, message } = error
    return { isValid: false, code, message, hint: code === 'signature_mismatch' ? findAlteration(delivery) : undefined }
  }
}

function readEvent({ headers, body, secrets, settings }: CapturedDelivery): Verified['event'] {
  try {
    const { event_type, event_id } = verifyEvent({ headers, body }, secrets, settings)
    return { event_type, event_id }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

function printVerified({ id, sentAt, secretIndex, event }: Verified, secretCount: number): void {
  printLine(`${green('✓')} The signature is valid.`)
  printLine(`  message    ${id}`)
  printLine(`  signed     ${sentAt.toISOString()}`)
  if (secretCount > 1) printLine(`  secret     number ${secretIndex + 1} of ${secretCount}`)
  printLine(`  event      ${'problem' in event ? yellow(event.problem) : `${event.event_type} ${event.event_id}`}`)
}

function printRefusal({ code, message, hint }: Refused): void {
  printLine(`${redResult('✗')} ${code}`)
  printLine(`  ${message}`)
  if (hint !== undefined) printLine(`  ${yellow(hint)}`)
  printLine(dim(`  docs/errors/${code}.md`))
}

interface CapturedDelivery {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly secrets: readonly string[]
  readonly settings: { readonly toleranceSeconds: number; readonly now: () => number }
}

/** What is often done to a body between its signing and its capture. The one that verifies is what was done. */
function findAlteration({ headers, body, secrets, settings }: CapturedDelivery): string | undefined {
  const text = body.toString('utf8')
  const rewrite = (write: (value: unknown) => string): string | undefined => {
    try {
      return write(JSON.parse(text))
    } catch {
      return undefined
    }
  }
  const alterations: readonly (readonly [string | undefined, string])[] = [
    [
      text.replace(/\r?\n$/, ''),
      'The body has a line break at its end that was not signed: many editors and shells add one.',
    ],
    [`${text}\n`, 'The line break at the end of the body is missing.'],
    [text.replaceAll('\r\n', '\n'), 'The body has Windows line breaks that were not signed.'],
    [text.replaceAll(/\r?\n/g, '\r\n'), 'The body has lost its Windows line breaks.'],
    [text.replace(/^\ufeff/, ''), 'The body begins with a byte order mark that was not signed.'],
    [
      rewrite((value) => JSON.stringify(value)),
      'The JSON was written anew with other spaces: what was signed is the compact form.',
    ],
    [rewrite(spaced), 'The JSON was written anew: what was signed has a space after each comma and colon.'],
    [
      rewrite((value) => JSON.stringify(value, null, 2)),
      'The JSON was written anew: what was signed is indented by two spaces.',
    ],
  ]
  for (const [altered, hint] of alterations) {
    if (altered === undefined || altered === text) continue
    try {
      verify({ headers, body: altered }, secrets, settings)
      return `${hint} Capture the raw bytes of the request.`
    } catch {
      // Not this one.
    }
  }
  return undefined
}

/** As Python's json.dumps writes it. */
function spaced(value: unknown): string {
  return JSON.stringify(value, null, 1)
    .replace(/([{[])\n */g, '$1')
    .replace(/\n *([}\]])/g, '$1')
    .replace(/\n */g, ' ')
}

async function headersOf({ headers: file, header: lines = [] }: VerifyOptions): Promise<Record<string, string>> {
  const text = file === undefined ? '' : await readFile(file, 'utf8')
  if (text.trimStart().startsWith('{')) return { ...jsonHeaders(text), ...lineHeaders(lines) }
  const headers = { ...lineHeaders(text.split(/\r?\n/).filter((line) => line.includes(':'))), ...lineHeaders(lines) }
  if (Object.keys(headers).length === 0)
    throw new UsageError('Give the headers of the delivery with --headers or --header.')
  return headers
}

function jsonHeaders(text: string): Record<string, string> {
  try {
    return Object.fromEntries(
      Object.entries(JSON.parse(text)).map(([name, value]) => [name.toLowerCase(), String(value)]),
    )
  } catch {
    throw new UsageError('The file given with --headers begins like JSON, and is not.')
  }
}

function lineHeaders(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':')
      if (at < 1) throw new UsageError(`Expected a header as "name: value", got ${JSON.stringify(line)}.`)
      return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]
    }),
  )
}

function timeOf(text: string | undefined, headers: Readonly<Record<string, string>>): number {
  if (text === undefined) return Date.now()
  const stamp = text === 'sent' ? (headers['svix-timestamp'] ?? headers['webhook-timestamp'] ?? '') : text
  const timeMs = /^[0-9]{1,12}$/.test(stamp) ? Number(stamp) * 1000 : Date.parse(stamp)
  if (Number.isFinite(timeMs)) return timeMs
  throw new UsageError('Expected --now as ISO 8601, Unix seconds, or "sent" (then with a timestamp among the headers).')
}
