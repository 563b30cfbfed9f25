import type { CursorPage } from '@scrapenest-webhooks/client'
import { maskDownloadUrls } from '../mask-download-urls.ts'
import { dim, printJson, printLine, printTable } from '../terminal/print.ts'
import { type ApiOptions, createClient } from './api-options.ts'

interface PageOptions extends ApiOptions {
  readonly limit: number
  readonly cursor?: string
}

export async function messages(
  endpointId: string,
  options: PageOptions & { readonly reveal?: boolean },
): Promise<void> {
  const { limit, cursor: iterator } = options
  const { webhookEndpoints } = await createClient(options)
  const page = await webhookEndpoints.messages(endpointId, { limit, iterator })
  if (options.json) return printJson(options.reveal ? page : maskDownloadUrls(page))
  if (page.items.length === 0) return printLine('No messages.')
  printTable(
    ['MESSAGE', 'STATUS', 'TYPE', 'EVENT', 'SENT'],
    page.items.map(({ message_id, status, event_type, event_id, dispatched_at }) => [
      message_id,
      status,
      event_type ?? '',
      event_id ?? '',
      dispatched_at,
    ]),
  )
  printNextCursor(page)
}

export async function attempts(endpointId: string, messageId: string, options: PageOptions): Promise<void> {
  const { limit, cursor: iterator } = options
  const { webhookEndpoints } = await createClient(options)
  const page = await webhookEndpoints.attempts(endpointId, messageId, { limit, iterator })
  if (options.json) return printJson(page)
  if (page.items.length === 0) return printLine('No attempts.')
  printTable(
    ['STATUS', 'CODE', 'MS', 'SENT', 'REPLY'],
    page.items.map(({ status, status_code, latency_ms, dispatched_at, response_body }) => [
      status,
      String(status_code ?? ''),
      String(latency_ms ?? ''),
      dispatched_at,
      response_body ?? '',
    ]),
  )
  printNextCursor(page)
}

function printNextCursor({ done, iterator }: CursorPage<unknown>): void {
  if (!done && iterator) printLine(dim(`For more, add --cursor ${iterator}`))
}
