// Exports with inferred types, in an application whose only package of ours is the client.
import {
  isScrapeNestError,
  ScrapeNestClient,
  ScrapeNestError,
  type ScrapeNestErrorOptions,
} from '@scrapenest-webhooks/client'

const event = { data: { job_id: 'job', artifact_type: 'html', download_url: 'https://artifacts.example/page' } }

export const client = new ScrapeNestClient({ apiKey: process.env['SCRAPENEST_API_KEY'] })
export const createClient = (apiKey: string) => new ScrapeNestClient({ apiKey, maxRetries: 3 })
export class OurClient extends ScrapeNestClient {
  readonly region = 'eu'
}

export const jobs = client.jobs
export const { artifacts, webhookEndpoints } = client
export const { create, get, list, iter, stats, wait, getManifest } = client.jobs
export const { download, downloadBytes, downloadText, getDownloadUrl } = client.artifacts
export const { rotateSecret, pause, resume, messages, iterMessages, attempts } = client.webhookEndpoints
export const api = { jobs: client.jobs, files: client.artifacts, endpoints: client.webhookEndpoints }

export const submitted = client.scrapeAsync({ job_type: 'light', target_url: 'https://shop.example/item/1' })
export const scraped = client.scrape({ job_type: 'stealth', target_url: 'https://shop.example/item/1' })
export const job = client.jobs.get('job', { include_download_urls: true })
export const page = client.jobs.list({ status: 'failed', limit: 10 })
export const everyJob = client.jobs.iter({ tag: 'nightly' })
export const counts = client.jobs.stats()
export const totals = async () => (await client.jobs.stats()).totals
export const buckets = async () => (await client.jobs.stats()).buckets
export const manifest = client.jobs.getManifest('job')
export const block = async () => (await client.jobs.getManifest('job'))?.block
export const firstArtifact = async () => (await client.jobs.get('job')).artifacts[0]

export const file = client.artifacts.download(event, { to: 'data/page.html' })
export const bytes = client.artifacts.downloadBytes('artifact', { maxBytes: 1024 })
export const url = client.artifacts.getDownloadUrl('artifact', { ttl_seconds: 60 })

export const created = client.webhookEndpoints.create({ url: 'https://example.com/webhooks/scrapenest' })
export const endpoints = client.webhookEndpoints.list()
export const rotated = client.webhookEndpoints.rotateSecret('endpoint')
export const status = client.webhookEndpoints.pause('endpoint')
export const sent = client.webhookEndpoints.messages('endpoint')
export const everyMessage = client.webhookEndpoints.iterMessages('endpoint')
export const tries = client.webhookEndpoints.attempts('endpoint', 'message')

export const asOurs = (error: unknown) => (isScrapeNestError(error) ? error : undefined)
export const codeOf = (error: unknown) => (isScrapeNestError(error) ? error.code : undefined)
export const limited = (error: unknown) =>
  isScrapeNestError(error) && error.code === 'rate_limited' ? error : undefined
export const details = (error: unknown) => (isScrapeNestError(error) && 'details' in error ? error.details : undefined)
export const failure = (options: ScrapeNestErrorOptions) => new ScrapeNestError(options)
