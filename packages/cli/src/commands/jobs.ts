import type { Job, JobRequest } from '@scrapenest-webhooks/client'
import { type Command, Option } from 'commander'
import { collect, parseAssignment, parseNumber, parseSeconds, parseWebUrl } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { maskDownloadUrls } from '../mask-download-urls.ts'
import { bold, dim, green, printJson, printLine, printTable, red, yellow } from '../terminal/print.ts'
import { applyOverride, parseOverride } from '../trigger/override.ts'
import { type ApiOptions, createClient, withApiOptions } from './api-options.ts'

const tiers = ['light', 'standard', 'stealth']

export function addJobs(program: Command): void {
  const jobs = program
    .command('jobs')
    .description('Submit and show jobs at ScrapeNest, or at a simulator (--base-url http://127.0.0.1:4010)')
    .addHelpText(
      'after',
      `
Examples:
  $ scrapenest-webhooks jobs create https://shop.example/item/1 --wait
  $ scrapenest-webhooks jobs create https://shop.example/ -o timeout_ms=5000
  $ scrapenest-webhooks jobs list --status failed
  $ scrapenest-webhooks jobs get 0f7a1c52-91de-4f0b-8a55-0b6f6d1f2c11`,
    )
  withApiOptions(jobs.command('create').description('Submit a job'))
    .argument('<url>', 'the page to scrape', parseWebUrl)
    .addOption(new Option('--type <tier>', 'the tier').choices(tiers).default('light'))
    .option('--tag <text>', 'a tag (repeatable)', collect)
    .option('--idempotency-token <text>', 'the same token returns the same job; default: a new token')
    .option(
      '-o, --override <key=value>',
      'set another field, such as wait_until=networkidle (repeatable); values can be JSON',
      collect,
    )
    .option('--wait', 'wait until the job has ended; exit code 1 if it failed')
    .addOption(
      new Option('--timeout <seconds>', 'how long --wait waits')
        .argParser(parseSeconds({ min: 0.1, max: 86_400 }))
        .default(60_000, '60'),
    )
    .action(create)
  withApiOptions(jobs.command('get').description('Show a job and its artifacts'))
    .argument('<id>', 'the job_id')
    .option('--reveal', 'show the download_url of each artifact; it is a credential')
    .action(get)
  withApiOptions(jobs.command('list').description('List jobs, newest first'))
    .option('--status <text>', 'only jobs in this status: queued, running, succeeded, failed')
    .addOption(new Option('--type <tier>', 'only jobs of this tier').choices(tiers))
    .option('--tag <text>', 'only jobs with this tag')
    .option('--limit <number>', 'maximum number of jobs', parseNumber({ min: 1, max: 100 }), 50)
    .option('--offset <number>', 'skip this many jobs', parseNumber({ min: 0 }), 0)
    .action(list)
}

async function create(
  url: string,
  options: ApiOptions & {
    readonly type: string
    readonly tag?: readonly string[]
    readonly idempotencyToken?: string
    readonly override?: readonly string[]
    readonly wait?: boolean
    /** In milliseconds. */
    readonly timeout: number
  },
): Promise<void> {
  const { type, tag, idempotencyToken, override = [] } = options
  const fields = {
    job_type: type,
    target_url: url,
    ...(tag !== undefined && { tags: tag }),
    ...(idempotencyToken !== undefined && { idempotency_token: idempotencyToken }),
  }
  // The API validates the fields. Its list is longer than ours.
  const request = override
    .map(parseAssignment)
    .map(parseOverride)
    .reduce(applyOverride, fields) as unknown as JobRequest
  const { jobs } = await createClient(options)
  const submitted = await jobs.create(request)
  if (!options.wait) {
    if (options.json) return printJson(submitted)
    const { job_id, status, idempotent_replay } = submitted
    printLine(green('✓'), idempotent_replay ? ` ${job_id} already existed (${status}).` : ` Submitted ${job_id}`)
    return
  }
  const job = await jobs.wait(submitted.job_id, { timeoutMs: options.timeout, returnFailed: true })
  if (job.status === 'failed') process.exitCode = exitCodes.problemFound
  show(maskDownloadUrls(job), options)
}

async function get(id: string, options: ApiOptions & { readonly reveal?: boolean }): Promise<void> {
  const { jobs } = await createClient(options)
  const job = await jobs.get(id, { include_download_urls: options.reveal })
  show(options.reveal ? job : maskDownloadUrls(job), options)
}

function show(job: Job, { json }: ApiOptions): void {
  if (json) printJson(job)
  else printJob(job)
}

function printJob(job: Job): void {
  printLine(bold(job.job_id), ` ${job.target_url}`)
  printLine('  status     ', job.status === 'failed' ? red(job.status) : job.status)
  if (job.failure_reason) printLine('  reason     ', red(job.failure_reason))
  if (job.outcome && job.outcome !== 'success') printLine('  outcome    ', yellow(job.outcome))
  if (job.job_type !== undefined) printLine(`  type       ${job.job_type}`)
  if (job.tags !== undefined && job.tags.length > 0) printLine(`  tags       ${job.tags.join(', ')}`)
  printLine(`  created    ${job.created_at}`)
  if (job.completed_at) printLine(`  completed  ${job.completed_at}`)
  printLine(bold('Artifacts'))
  for (const { artifact_id, artifact_type, byte_size, download_url } of job.artifacts) {
    printLine(`  ${artifact_id}  ${artifact_type}`, dim(byte_size === undefined ? '' : `  ${byte_size} bytes`))
    if (download_url) printLine(`    ${download_url}`)
  }
  if (job.artifacts.length === 0) printLine(dim('  none'))
}

async function list(
  options: ApiOptions & {
    readonly status?: string
    readonly type?: string
    readonly tag?: string
    readonly limit: number
    readonly offset: number
  },
): Promise<void> {
  const { status, type, tag, limit, offset } = options
  const { jobs } = await createClient(options)
  const page = await jobs.list({ status, job_type: type as JobRequest['job_type'] | undefined, tag, limit, offset })
  if (options.json) return printJson(page)
  if (page.items.length === 0) return printLine('No matching jobs.')
  printTable(
    ['ID', 'STATUS', 'TYPE', 'CREATED', 'URL'],
    page.items.map(({ job_id, status, job_type = '', created_at, target_url }) => [
      job_id,
      status,
      job_type,
      created_at,
      target_url,
    ]),
  )
  const next = offset + page.items.length
  if (next < page.total) printLine(dim(`${page.total} in total. For more, add --offset ${next}`))
}
