// A Next.js route handler, in a project that emits declarations and imports only `core/fetch` from us.
import { type ScrapenestWebhooksOptions, scrapenestWebhooks } from '@scrapenest-webhooks/core/fetch'

const secret = process.env['SCRAPENEST_WEBHOOK_SECRET']

export const POST = scrapenestWebhooks({ secret, onEvent: { 'artifact.ready': ({ data }) => data.artifact_type } })
export const receiver = POST.receiver
export const { onEvent, receive, start, close } = POST.receiver
export const ofTenant = scrapenestWebhooks<{ readonly tenant: string }>({ secret })
export const withReceiver = (given: ScrapenestWebhooksOptions) => ('receiver' in given ? given : undefined)
