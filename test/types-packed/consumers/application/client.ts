import { isScrapeNestError, ScrapeNestClient } from '@scrapenest-webhooks/client'
import { startSimulator } from '@scrapenest-webhooks/simulator'

export async function scrape(): Promise<readonly string[]> {
  const simulator = await startSimulator({ faults: { duplicate: 0.2 }, speed: 60 })
  const client = new ScrapeNestClient({ apiKey: simulator.apiKey, baseUrl: simulator.url, allowInsecure: true })
  await client.webhookEndpoints.create({ url: 'http://localhost:3000/webhooks/scrapenest' })
  const { job_id } = await client.scrapeAsync({ job_type: 'light', target_url: simulator.examplePageUrl })
  const artifacts: string[] = []
  for await (const job of client.jobs.iter({ job_id, status: 'succeeded' })) artifacts.push(job.target_url)
  try {
    const job = await client.jobs.wait(job_id, { timeoutMs: 5_000 })
    for (const artifact of job.artifacts) {
      artifacts.push((await client.artifacts.download(artifact, { to: `data/${artifact.artifact_id}` })).sha256)
    }
  } catch (error) {
    if (isScrapeNestError(error) && error.code === 'rate_limited') artifacts.push(String(error.retryAfterSeconds))
  } finally {
    await simulator.close()
  }
  return artifacts
}
