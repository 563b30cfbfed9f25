import { probeEventType } from '@scrapenest-webhooks/core'
import { type Command, Option } from 'commander'
import { parseNumber, parseSeconds, parseUrl, readSecret } from '../arguments.ts'
import { diagnose } from '../doctor/diagnose.ts'
import { examine } from '../doctor/examine.ts'
import type { Finding } from '../doctor/finding.ts'
import { describeReply } from '../doctor/send-probe.ts'
import { exitCodes } from '../exit-codes.ts'
import { bold, dim, green, printJson, printLine, red, showProgress, yellow } from '../terminal/print.ts'
import { withoutCredentials } from '../terminal/without-credentials.ts'

interface DoctorOptions {
  readonly secret?: string
  readonly bodyBytes: number
  /** In milliseconds. */
  readonly timeout: number
  readonly json?: boolean
}

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .argument('<url>', 'your endpoint, as ScrapeNest reaches it', parseUrl)
    .description('Send signed probes to your server, and explain what is wrong')
    .option('--secret <whsec>', "the endpoint's secret; default: SCRAPENEST_WEBHOOK_SECRET")
    .option('--body-bytes <number>', 'the largest body it must accept', parseNumber({ min: 1_000 }), 1_000_000)
    .addOption(
      new Option('--timeout <seconds>', 'how long to wait for each reply')
        .argParser(parseSeconds({ min: 0.1, max: 86_400 }))
        .default(10_000, '10'),
    )
    .option('--json', 'print the findings and every reply as JSON')
    .addHelpText(
      'after',
      `
Checks raw bytes (parsers, proxies that rewrite JSON), the secret, the clock,
forgeries, replays, the size limit, compressed and chunked bodies, and the
reply time.

Probes are events of the type ${probeEventType}, which is in no
catalog, so no handler runs.

Exit code 1 means that the server has a fault.

Examples:
  $ scrapenest-webhooks doctor https://example.com/webhooks/scrapenest
  $ scrapenest-webhooks doctor http://localhost:3000/webhooks/scrapenest --json`,
    )
    .action(doctor)
}

async function doctor(url: string, options: DoctorOptions): Promise<void> {
  const replies = await examine({
    url,
    secret: readSecret(options.secret),
    bodyBytes: Math.round(options.bodyBytes),
    timeoutMs: options.timeout,
    onProgress: showProgress,
  })
  const findings = diagnose(replies)
  const faults = findings.filter(({ verdict }) => verdict === 'fault')
  if (faults.length > 0) process.exitCode = exitCodes.problemFound
  const shownUrl = withoutCredentials(url)
  if (options.json) return printJson({ url: shownUrl, isHealthy: faults.length === 0, findings, replies })
  printLine(bold(shownUrl))
  for (const finding of findings) printFinding(finding)
  if (faults.length === 0) return printLine(green('No faults found.'))
  printLine(red(faults.length === 1 ? '1 fault found.' : `${faults.length} faults found.`))
  const { exact, plain, forged } = replies
  printLine(
    dim(
      `Replies: exact bytes ${describeReply(exact)}, plain JSON ${describeReply(plain)}, forged ${describeReply(forged)}.`,
    ),
  )
}

function printFinding({ id, verdict, summary, fix }: Finding): void {
  const mark = { ok: green('✓'), note: yellow('!'), fault: red('✗') }[verdict]
  printLine('  ', mark, ` ${summary} `, dim(id))
  if (fix !== undefined) printLine('    ', yellow(fix))
}
