import events from 'node:events'
import type { Attempt, Fault, Message, SignatureKey, Simulator } from '@scrapenest-webhooks/simulator'
import { type Command, Option } from 'commander'
import { collect, collectUrls, environmentSecrets, parseAssignment, parseNumber, parseSeconds } from '../arguments.ts'
import { detectClosedPipe, stdoutClosed } from '../terminal/closed-pipe.ts'
import { bold, dim, green, printJson, printLine, yellow } from '../terminal/print.ts'
import { withoutCredentials } from '../terminal/without-credentials.ts'

interface SimulateOptions {
  readonly port: number
  readonly endpoint?: readonly string[]
  readonly secret?: string
  readonly speed: number
  readonly fault?: readonly string[]
  /** In milliseconds. */
  readonly rotationOverlap: number
  /** In seconds, like the API's `ttl_seconds`. */
  readonly urlTtl: number
  readonly signatureKey: SignatureKey
  readonly json?: boolean
}

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('Run a local ScrapeNest: its API, and signed webhooks with retries and faults')
    .option('-p, --port <number>', 'the port of the API on 127.0.0.1', parseNumber({ min: 0, max: 65_535 }), 4010)
    .option('-e, --endpoint <url>', 'register this endpoint at startup (repeatable)', collectUrls)
    .option('--secret <whsec>', 'the secret of --endpoint; default: SCRAPENEST_WEBHOOK_SECRET, or a new one')
    .option('--speed <factor>', 'divide the delays between retries', parseNumber({ min: 0.001 }), 1)
    .option(
      '--fault <name=probability>',
      'the probability of a fault, from 0 to 1 (repeatable): duplicate, reorder, tamper, stale, slow, reserialize, drop',
      collect,
    )
    .addOption(
      new Option(
        '--rotation-overlap <seconds>',
        "how long both secrets sign after a rotation; 0 for none, as in ScrapeNest's SDK",
      )
        .argParser(parseSeconds({ min: 0 }))
        .default(600_000, '600'),
    )
    .option('--url-ttl <seconds>', 'how long a download_url is valid', parseNumber({ min: 1 }), 300)
    .addOption(
      new Option('--signature-key <kind>', 'the HMAC key').choices(['decoded', 'text', 'both']).default('decoded'),
    )
    .option('--json', 'print one line of JSON at startup, per attempt, and at the end')
    .addHelpText(
      'after',
      `
The command prints a base URL and an API key. Pass them to the client as baseUrl
and apiKey, or to ScrapeNest's SDK as base_url and api_key. Ctrl+C stops the
simulator, and its state is lost.

Examples:
  $ scrapenest-webhooks simulate -e http://localhost:3000/webhooks/scrapenest
  $ scrapenest-webhooks simulate --fault duplicate=0.2 --fault drop=0.1`,
    )
    .action(simulate)
}

async function simulate(options: SimulateOptions): Promise<void> {
  const { startSimulator } = await import('@scrapenest-webhooks/simulator')
  const probabilities = (options.fault ?? [])
    .map(parseAssignment)
    .map(([fault, text]) => [fault as Fault, Number(text)])
  const simulator = await startSimulator({
    port: options.port,
    speed: options.speed,
    faults: Object.fromEntries(probabilities),
    rotationOverlapMs: options.rotationOverlap,
    urlTtlSeconds: Math.round(options.urlTtl),
    signatureKey: options.signatureKey,
    onAttempt: options.json ? printAttemptAsJson : printAttempt,
  }).catch((error: unknown) => {
    throw explainPort(error, options.port)
  })
  const stopped = Promise.race([
    events.once(process, 'SIGINT'),
    events.once(process, 'SIGTERM'),
    events.once(stdoutClosed, 'abort'),
  ])
  try {
    const secret = options.secret ?? environmentSecrets()[0]
    const endpoints = (options.endpoint ?? []).map((url) => simulator.register({ url, ...(secret && { secret }) }))
    // A new secret must be shown. One that the user already has must not end up in logs.
    const registered = endpoints.map(({ id, settings: { url }, secret: newSecret }) => ({
      endpoint_id: id,
      url: withoutCredentials(url),
      ...(!secret && { secret: newSecret }),
    }))
    if (options.json) printStartAsJson(simulator, registered)
    else printStart(simulator, registered)
    detectClosedPipe(options.json ? ' ' : '\r')
    await stopped
    if (options.json) printJson({ messages: countByStatus(simulator) })
  } finally {
    await simulator.close()
  }
}

function explainPort(error: unknown, port: number): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return error
  return new Error(`Port ${port} is in use. Choose another port with --port, or any free port with --port 0.`, {
    cause: error,
  })
}

interface RegisteredEndpoint {
  readonly endpoint_id: string
  readonly url: string
  /** Absent if it came from the user. */
  readonly secret?: string
}

function printStart({ url, apiKey, examplePageUrl }: Simulator, endpoints: readonly RegisteredEndpoint[]): void {
  printLine(bold('ScrapeNest simulator'), dim(' (Ctrl+C stops it)'))
  printLine(`  base URL   ${url}`)
  printLine(`  API key    ${apiKey}`)
  printLine(`  test page  ${examplePageUrl}`)
  for (const endpoint of endpoints) {
    printLine(`  endpoint   ${endpoint.url}`)
    printLine(`  secret     ${endpoint.secret ?? 'the one you passed'}`)
  }
  printLine()
}

function printStartAsJson({ url, apiKey, examplePageUrl }: Simulator, endpoints: readonly RegisteredEndpoint[]): void {
  printJson({ url, apiKey, examplePageUrl, endpoints })
}

function countByStatus({ messages }: Simulator): Readonly<Record<Message['status'], number>> {
  const count = (status: Message['status']): number => messages.filter((message) => message.status === status).length
  return { succeeded: count('succeeded'), failed: count('failed'), pending: count('pending') }
}

function printAttempt(message: Message, { statusCode, failure, latencyMs, faults }: Attempt): void {
  const isAccepted = statusCode !== undefined && statusCode >= 200 && statusCode < 300
  const reply = String(statusCode ?? failure)
  printLine(
    `${message.event.event_type.padEnd(16)} `,
    isAccepted ? green(reply) : yellow(reply),
    dim(` ${latencyMs} ms, attempt ${message.attempts.length}, ${message.id}`),
    yellow(faults.length === 0 ? '' : ` ${faults.join('+')}`),
  )
}

function printAttemptAsJson(message: Message, attempt: Attempt): void {
  const { event_type, event_id } = message.event
  const { statusCode, failure, latencyMs, faults, responseBody } = attempt
  printJson({
    messageId: message.id,
    event_type,
    event_id,
    attempt: message.attempts.length,
    statusCode,
    failure,
    latencyMs,
    faults,
    responseBody,
  })
}
