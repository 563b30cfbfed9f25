import { probeEventType } from '@scrapenest-webhooks/core'
import type { Command } from 'commander'
import { parseNumber, parseUrl, secretOf } from '../arguments.ts'
import { diagnose, type Finding } from '../doctor/diagnose.ts'
import { describeReply, examine } from '../doctor/examine.ts'
import { exitCodes } from '../exit-codes.ts'
import { bold, dim, green, printJson, printLine, redResult, showProgress, yellow } from '../output.ts'

interface DoctorOptions {
  readonly secret?: string
  readonly bodyBytes: number
  readonly timeout: number
  readonly json?: boolean
}

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .argument('<url>', 'your endpoint, as ScrapeNest reaches it', parseUrl)
    .description('Send signed probes to your server, and say what it does with them')
    .option('--secret <whsec>', "the endpoint's; default: SCRAPENEST_WEBHOOK_SECRET")
    .option('--body-bytes <number>', 'the longest body the server should take', parseNumber({ min: 1_000 }), 1_000_000)
    .option('--timeout <seconds>', 'how long to wait for each answer', parseNumber({ min: 0.1 }), 10)
    .option('--json', 'the findings and every answer as JSON')
    .addHelpText(
      'after',
      `
It looks at: raw bytes (a parser first, a proxy that rewrites JSON), the secret, the clock, forgeries, replays, the limit
on bodies, compressed and chunked bodies, the time to answer.

The probes are events of the type ${probeEventType}, which is in no catalogue: no handler runs.
Exit code 1: there is a fault.

Examples:
  $ SCRAPENEST_WEBHOOK_SECRET=whsec_… scrapenest-webhooks doctor https://example.com/webhooks/scrapenest
  $ scrapenest-webhooks doctor http://localhost:3000/webhooks/scrapenest --json`,
    )
    .action(doctor)
}

async function doctor(url: string, options: DoctorOptions): Promise<void> {
  const answers = await examine({
    url,
    secret: secretOf(options.secret),
    bodyBytes: Math.round(options.bodyBytes),
    timeoutMs: Math.round(options.timeout * 1000),
    onProgress: showProgress,
  })
  const findings = diagnose(answers)
  const faults = findings.filter(({ verdict }) => verdict === 'fault')
  if (faults.length > 0) process.exitCode = exitCodes.notInOrder
  if (options.json) return printJson({ url, isHealthy: faults.length === 0, findings, answers })
  printLine(bold(url))
  for (const finding of findings) printFinding(finding)
  if (faults.length === 0) return printLine(green('The server is in order.'))
  printLine(redResult(faults.length === 1 ? 'There is a fault.' : `There are ${faults.length} faults.`))
  const { exact, plain, forged } = answers
  printLine(
    dim(
      `Answers: exact bytes ${describeReply(exact)}, plain JSON ${describeReply(plain)}, forged ${describeReply(forged)}.`,
    ),
  )
}

function printFinding({ id, verdict, summary, fix }: Finding): void {
  const mark = { ok: green('✓'), note: yellow('!'), fault: redResult('✗') }[verdict]
  printLine(`  ${mark} ${summary} ${dim(id)}`)
  if (fix !== undefined) printLine(`    ${yellow(fix)}`)
}
