import type { Command } from 'commander'
import { collect, parseNumber, readSecrets } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { green, printJson, printLine, red, yellow } from '../terminal/print.ts'
import { readBody, readHeaders, readNow } from '../verify/captured-delivery.ts'
import { type Accepted, judge, type Refused } from '../verify/judge.ts'

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
    .description('Verify a captured delivery, and explain exactly why it fails')
    .requiredOption('-b, --body <file>', 'the raw body, byte for byte; - reads stdin')
    .option('-H, --header <name: value>', 'a header of the delivery (repeatable)', collect)
    .option('--headers <file>', 'all headers: lines of "name: value", or a JSON object')
    .option('--secret <whsec>', 'a secret (repeatable); default: SCRAPENEST_WEBHOOK_SECRET', collect)
    .option('--tolerance <seconds>', 'maximum age of the timestamp', parseNumber({ min: 0 }), 300)
    .option('--now <time>', 'verify as of this time: ISO 8601, Unix seconds, or "sent" for the time of signing')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ scrapenest-webhooks verify --headers headers.txt --body body.bin --now sent
  $ cat body.bin | scrapenest-webhooks verify -b - --headers headers.json`,
    )
    .action(verifyDelivery)
}

async function verifyDelivery(options: VerifyOptions): Promise<void> {
  const headers = await readHeaders(options.headers, options.header ?? [])
  const body = await readBody(options.body)
  const secrets = readSecrets(options.secret)
  const nowMs = readNow(options.now, headers)
  const settings = { toleranceSeconds: options.tolerance, now: () => nowMs }
  const verdict = judge({ headers, body, secrets, settings })
  if (!verdict.isValid) process.exitCode = exitCodes.problemFound
  if (options.json) printJson(verdict)
  else if (verdict.isValid) printAccepted(verdict, secrets.length)
  else printRefused(verdict)
}

function printAccepted({ messageId, sentAt, secretIndex, event }: Accepted, secretCount: number): void {
  printLine(green('✓'), ' The signature is valid.')
  printLine(`  message    ${messageId}`)
  printLine(`  signed     ${sentAt.toISOString()}`)
  if (secretCount > 1) printLine(`  secret     number ${secretIndex + 1} of ${secretCount}`)
  printLine('  event      ', 'problem' in event ? yellow(event.problem) : `${event.event_type} ${event.event_id}`)
}

function printRefused({ code, message, hint }: Refused): void {
  printLine(red('✗'), ` ${code}`)
  printLine(`  ${message}`)
  if (hint !== undefined) printLine('  ', yellow(hint))
}
