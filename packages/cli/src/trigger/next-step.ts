import type { DeliveryReply } from '@scrapenest-webhooks/simulator'

/** What to do about an unexpected reply. */
export function nextStep({ failure, statusCode = 0 }: DeliveryReply, url: string): string {
  if (failure?.includes('ECONNREFUSED')) return `Nothing listens at ${url}. Start your server, or use --to <url>.`
  if (statusCode === 404) return `There is no webhook handler at ${url}. Check the path, or use --to <url>.`
  // The probes of doctor reach no handler, so it finds no fault if one throws.
  if (statusCode >= 500) return "The server's log shows the cause."
  return `To find the cause, run: npx scrapenest-webhooks doctor '${url}'`
}
