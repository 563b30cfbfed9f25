import type { WebhookEndpointSettings } from '@scrapenest-webhooks/client'
import { pageUrl } from '@scrapenest-webhooks/core/adapter'
import type { Command } from 'commander'
import { collect, parseNumber, parseUrl } from '../arguments.ts'
import { exitCodes } from '../exit-codes.ts'
import { confirm } from '../terminal/confirm.ts'
import { dim, green, printErrorLine, printJson, printLine, printTable, yellow } from '../terminal/print.ts'
import { withoutCredentials } from '../terminal/without-credentials.ts'
import { type ApiOptions, type ConfirmOptions, createClient, withApiOptions } from './api-options.ts'
import { attempts, messages } from './endpoint-deliveries.ts'

export function addEndpoints(program: Command): void {
  const endpoints = program
    .command('endpoints')
    .description('Manage webhook endpoints at ScrapeNest, or at a simulator (--base-url http://127.0.0.1:4010)')
  withApiOptions(endpoints.command('list').description("List the organization's endpoints")).action(list)
  withApiOptions(endpoints.command('create').description('Register an endpoint and show its secret'))
    .argument('<url>', 'the URL that receives deliveries', parseUrl)
    .option('--name <text>', "default: the URL's host")
    .option('--event <type>', 'subscribe to this event type (repeatable); default: all', collect)
    .option('--description <text>', 'a description')
    .action(create)
  withApiOptions(endpoints.command('rotate').description("Rotate an endpoint's secret and show the new one"))
    .argument('<id>', 'the endpoint_id')
    .option('--yes', 'do not ask')
    .action(rotate)
  withApiOptions(endpoints.command('delete').description('Delete an endpoint, which ends its deliveries'))
    .argument('<id>', 'the endpoint_id')
    .option('--yes', 'do not ask')
    .action(deleteEndpoint)
  withPage(
    withApiOptions(endpoints.command('messages').description('List the messages sent to an endpoint, newest first')),
  )
    .argument('<id>', 'the endpoint_id')
    .option('--reveal', 'with --json: show download_url in full; it is a credential')
    .action(messages)
  withPage(withApiOptions(endpoints.command('attempts').description('List the attempts to deliver one message')))
    .argument('<id>', 'the endpoint_id')
    .argument('<message-id>', 'the message_id')
    .action(attempts)
}

function withPage(command: Command): Command {
  return command
    .option('--limit <number>', 'maximum number on a page', parseNumber({ min: 1, max: 250 }), 50)
    .option('--cursor <text>', 'continue after the previous page')
}

async function list(options: ApiOptions): Promise<void> {
  const { webhookEndpoints } = await createClient(options)
  const endpoints = await webhookEndpoints.list()
  if (options.json) return printJson(endpoints)
  if (endpoints.length === 0) return printLine('No endpoints.')
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
  const { webhookEndpoints } = await createClient(options)
  const created = await webhookEndpoints.create(settings)
  if (options.json) return printJson(created)
  printLine(green('✓'), ` Registered ${created.endpoint_id} for ${withoutCredentials(url)}`)
  printSecret(created.secret)
}

async function rotate(id: string, options: ApiOptions & ConfirmOptions): Promise<void> {
  if (!(await isConfirmed(`replace the secret of ${id}`, options))) return
  const { webhookEndpoints } = await createClient(options)
  const rotated = await webhookEndpoints.rotateSecret(id)
  if (options.json) return printJson(rotated)
  printLine(green('✓'), ` ${id} has a new secret.`)
  printSecret(rotated.secret)
  printLine(dim('  Until your server uses it, deliveries may be refused and retried.'))
  printLine(dim(`  ${pageUrl('guides/rotation.md')}`))
}

async function deleteEndpoint(id: string, options: ApiOptions & ConfirmOptions): Promise<void> {
  if (!(await isConfirmed(`delete ${id}`, options))) return
  const { webhookEndpoints } = await createClient(options)
  await webhookEndpoints.delete(id)
  if (options.json) return printJson({ endpoint_id: id, deleted: true })
  printLine(green('✓'), ` ${id} is deleted.`)
}

async function isConfirmed(action: string, { yes = false }: ConfirmOptions): Promise<boolean> {
  if (yes || (await confirm(action))) return true
  process.exitCode = exitCodes.failed
  printErrorLine('Nothing was changed.')
  return false
}

function printSecret(secret: string): void {
  printLine(`  secret     ${secret}`)
  printLine(yellow('  Store it now. It will not be shown again.'))
}
