import { describe, expect, it } from 'vitest'
import { setUp } from '../local-simulator.ts'

describe('a download_url', () => {
  it('expires, can be renewed, is invalid if modified, and runs no scripts', async () => {
    const { client, simulator } = await setUp()
    const job = await client.scrape({ job_type: 'light', target_url: simulator.examplePageUrl }, { pollMs: 10 })
    const { artifact_id } = job.artifacts[0] ?? { artifact_id: '' }
    const { download_url } = await client.artifacts.getDownloadUrl(artifact_id, { ttl_seconds: 1 })
    expect(await client.artifacts.downloadText(download_url)).toContain('An item')
    await expect(client.artifacts.downloadText(download_url.replace(/expires=\d/, 'expires=9'))).rejects.toMatchObject({
      code: 'download_url_expired',
    })
    await new Promise((passed) => setTimeout(passed, 1_050))
    await expect(client.artifacts.downloadText(download_url)).rejects.toMatchObject({
      code: 'download_url_expired',
      status: 403,
    })
    const { headers } = await fetch((await client.artifacts.getDownloadUrl(artifact_id)).download_url)
    expect(headers.get('content-security-policy')).toBe('sandbox')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-disposition')).toBe('attachment')
    const event = { data: { job_id: job.job_id, artifact_type: 'html', download_url } }
    expect(await client.artifacts.downloadText(event)).toContain('An item')
  })
})
