import type { ScrapeNestClient, WebhookEndpointSettings } from '@scrapenest-webhooks/client'
import type { Command } from 'commander'
import { collect, parseUrl } from '../arguments.ts'
import { dim, green, printJson, printLine, printTable, yellow } from '../output.ts'
import { UsageError } from '../report-failure.ts'

interface ApiOptions {
  readonly baseUrl: string
  readonly json?: boolean
}

export function addEndpoints(program: Command): void {
  const endpoints = program
    .command('endpoints')
    .description('Webhook endpoints at ScrapeNest, or at a simulator (--base-url http://127.0.0.1:4010)')
  withApiOptions(endpoints.command('list').description('List the endpoints of the organisation')).action(list)
  withApiOptions(endpoints.command('create').description('Register an endpoint; its secret is shown this once'))
    .argument('<url>', 'where deliveries go', parseUrl)
    .option('--name <text>', "default: the URL's host")
    .option('--event <type>', 'an event type to be told of (repeatable); default: all', collect)
    .option('--description <text>')
    .action(create)
  withApiOptions(endpoints.command('rotate').description('Give an endpoint a new secret; it is shown this once'))
    .argument('<id>', 'the endpoint_id')
    .action(rotate)
}

function withApiOptions(command: Command): Command {
  return command
    .option('--base-url <url>', 'where the API is', parseUrl, 'https://api.scrapenest.com')
    .option('--json', 'the answer as JSON')
}

async function clientOf({ baseUrl }: ApiOptions): Promise<ScrapeNestClient> {
  const isSimulator = /^(localhost|127\.0\.0\.1)$/.test(new URL(baseUrl).hostname)
  const apiKey = process.env['SCRAPENEST_API_KEY'] ?? (isSimulator ? 'sn_test_simulator' : undefined)
  if (!apiKey) throw new UsageError('Set SCRAPENEST_API_KEY to a key with the scope webhooks.manage.')
  const { ScrapeNestClient } = await import('@scrapenest-webhooks/client')
  return new ScrapeNestClient({ apiKey, baseUrl })
}

async function list(options: ApiOptions): Promise<void> {
  const { webhookEndpoints } = await clientOf(options)
  const endpoints = await webhookEndpoints.list()
  if (options.json) return printJson(endpoints)
  if (endpoints.length === 0) return printLine('There is no endpoint.')
  printTable(
    ['ID', 'STATUS', 'NAME', 'URL'],
    endpoints.map(({ endpoint_id, status, name, url }) => [endpoint_id, status, name, url]),
  )
}

async function create(
  url: string,
  options: ApiOptions & { readonly name?: string; readonly event?: readonly string[]; readonly description?: string },
): Promise<void> {
  const { name, event, description } = options
  const settings: WebhookEndpointSettings = {
    url,
    ...(name !== undefined && { name }),
    ...(event !== undefined && { enabled_events: event }),
    ...(description !== undefined && { description }),
  }
  const { webhookEndpoints } = await clientOf(options)
  const created = await webhookEndpoints.create(settings)
  if (options.json) return printJson(created)
  printLine(`${green('✓')} Registered ${created.endpoint_id} for ${url}`)
  printSecret(created.secret)
}

async function rotate(id: string, options: ApiOptions): Promise<void> {
  const { webhookEndpoints } = await clientOf(options)
  const rotated = await webhookEndpoints.rotateSecret(id)
  if (options.json) return printJson(rotated)
  printLine(`${green('✓')} ${id} has a new secret.`)
  printSecret(rotated.secret)
  printLine(dim('  Your server may refuse deliveries until it knows it; they come again. docs/guides/rotation.md'))
}

function printSecret(secret: string): void {
  printLine(`  secret     ${secret}`)
  printLine(yellow('  Keep it now: it is not shown again.'))
}
