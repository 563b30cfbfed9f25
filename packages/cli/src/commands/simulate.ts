import { once } from 'node:events'
import type { Attempt, Fault, Message, SignatureKey } from '@scrapenest-webhooks/simulator'
import { type Command, Option } from 'commander'
import { collect, collectUrls, parseAssignment, parseNumber } from '../arguments.ts'
import { bold, dim, green, printJson, printLine, yellow } from '../output.ts'

interface SimulateOptions {
  readonly port: number
  readonly endpoint?: readonly string[]
  readonly secret?: string
  readonly speed: number
  readonly fault?: readonly string[]
  readonly rotationOverlap: number
  readonly urlTtl: number
  readonly signatureKey: SignatureKey
  readonly json?: boolean
}

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('Run a ScrapeNest on this machine: its API, and a sender that signs, retries and misbehaves as told')
    .option('-p, --port <number>', 'where the API listens, on 127.0.0.1', parseNumber({ min: 0, max: 65_535 }), 4010)
    .option('-e, --endpoint <url>', 'register this endpoint at the start (repeatable)', collectUrls)
    .option('--secret <whsec>', 'what signs for --endpoint; default: SCRAPENEST_WEBHOOK_SECRET, or a new one')
    .option('--speed <factor>', 'divide the delays between retries', parseNumber({ min: 0.001 }), 1)
    .option(
      '--fault <name=share>',
      'how often a fault happens, from 0 to 1 (repeatable): duplicate, reorder, tamper, stale, slow, reserialize, drop',
      collect,
    )
    .option(
      '--rotation-overlap <seconds>',
      'how long old and new secret both sign; 0 as ScrapeNest’s SDK has it',
      parseNumber({ min: 0 }),
      600,
    )
    .option('--url-ttl <seconds>', 'how long a download_url is valid', parseNumber({ min: 1 }), 300)
    .addOption(
      new Option('--signature-key <kind>', 'what keys the signature')
        .choices(['decoded', 'text', 'both'])
        .default('decoded'),
    )
    .option('--json', 'one line of JSON for the start and for each attempt')
    .addHelpText(
      'after',
      `
Point the client at it with baseUrl and the key it prints, or ScrapeNest's own SDK with base_url.
Its state is gone when it ends (Ctrl+C).

Examples:
  $ scrapenest-webhooks simulate --endpoint http://localhost:3000/webhooks/scrapenest
  $ scrapenest-webhooks simulate --fault duplicate=0.2 --fault drop=0.1 --speed 60`,
    )
    .action(simulate)
}

async function simulate(options: SimulateOptions): Promise<void> {
  const { startSimulator } = await import('@scrapenest-webhooks/simulator')
  const shares = (options.fault ?? []).map(parseAssignment) as [Fault, number][]
  const simulator = await startSimulator({
    port: options.port,
    speed: options.speed,
    faults: Object.fromEntries(shares),
    rotationOverlapMs: Math.round(options.rotationOverlap * 1000),
    urlTtlSeconds: Math.round(options.urlTtl),
    signatureKey: options.signatureKey,
    onAttempt: (message, attempt) => printAttempt(message, attempt, options.json),
  })
  try {
    const secret = options.secret ?? process.env['SCRAPENEST_WEBHOOK_SECRET']
    const endpoints = (options.endpoint ?? []).map((url) => simulator.register({ url, ...(secret && { secret }) }))
    const { url, apiKey, examplePageUrl } = simulator
    if (options.json) {
      const registered = endpoints.map(({ id, settings, secret }) => ({ endpoint_id: id, url: settings.url, secret }))
      printJson({ url, apiKey, examplePageUrl, endpoints: registered })
    } else {
      printLine(`${bold('A ScrapeNest on this machine')} ${dim('(Ctrl+C ends it)')}`)
      printLine(`  base URL   ${url}`)
      printLine(`  API key    ${apiKey}`)
      printLine(`  a page     ${examplePageUrl}`)
      for (const { settings, secret } of endpoints) printLine(`  endpoint   ${settings.url}  ${secret}`)
      printLine()
    }
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  } finally {
    await simulator.close()
  }
}

function printAttempt(message: Message, attempt: Attempt, asJson: boolean | undefined): void {
  const { statusCode, failure, latencyMs, faults: met, responseBody } = attempt
  if (asJson) {
    const { event_type, event_id } = message.event
    printJson({
      message_id: message.id,
      event_type,
      event_id,
      attempt: message.attempts.length,
      statusCode,
      failure,
      latencyMs,
      faults: met,
      responseBody,
    })
    return
  }
  const isAccepted = statusCode !== undefined && statusCode >= 200 && statusCode < 300
  const answer = (isAccepted ? green : yellow)(String(statusCode ?? failure))
  const withFaults = met.length === 0 ? '' : yellow(` ${met.join('+')}`)
  printLine(
    `${message.event.event_type.padEnd(16)} ${answer} ${dim(`${latencyMs} ms, attempt ${message.attempts.length}, ${message.id}`)}${withFaults}`,
  )
}
