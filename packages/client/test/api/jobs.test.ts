import { describe, expect, it } from 'vitest'
import { ScrapeNestClient } from '../../src/index.ts'
import { startServer, startStub } from '../stub-server.ts'

function clientOf(baseUrl: string): ScrapeNestClient {
  return new ScrapeNestClient({ apiKey: 'sn_live_key', baseUrl, maxRetries: 0 })
}

describe('jobs', () => {
  it('iter requests the pages by offset', async () => {
    const page = (ids: string[]) => ({ body: { items: ids.map((job_id) => ({ job_id })), total: 3 } })
    const { url, requests } = await startStub(page(['1', '2']), page(['3']))
    const ids = []
    for await (const { job_id } of clientOf(url).jobs.iter({ status: 'failed', pageSize: 2 })) ids.push(job_id)
    expect(ids).toEqual(['1', '2', '3'])
    expect(requests.map((request) => request.url)).toEqual([
      '/v1/jobs?status=failed&limit=2&offset=0',
      '/v1/jobs?status=failed&limit=2&offset=2',
    ])
  })

  it('have artifacts with a byte_size, which was once called size_bytes', async () => {
    const artifacts = [{ artifact_id: 'a1', artifact_type: 'html', size_bytes: 7 }]
    const { url } = await startStub({ body: { job_id: 'j1', status: 'succeeded', artifacts } })
    expect((await clientOf(url).jobs.get('j1')).artifacts).toEqual([
      { artifact_id: 'a1', artifact_type: 'html', byte_size: 7 },
    ])
  })

  it('wait rejects with job_failed, or returns a failed job if asked to', async () => {
    const failed = { body: { job_id: 'j1', status: 'failed', failure_reason: 'timeout' } }
    const { url } = await startStub(failed)
    await expect(clientOf(url).jobs.wait('j1')).rejects.toMatchObject({
      code: 'job_failed',
      jobId: 'j1',
      failureReason: 'timeout',
    })
    expect(await clientOf(url).jobs.wait('j1', { returnFailed: true })).toMatchObject({ status: 'failed' })
  })

  it('wait rejects with job_timeout if the job does not end in time', async () => {
    const { url } = await startStub({ body: { job_id: 'j1', status: 'running' } })
    await expect(clientOf(url).jobs.wait('j1', { timeoutMs: 60, pollMs: 20 })).rejects.toMatchObject({
      code: 'job_timeout',
      jobId: 'j1',
      timeoutMs: 60,
    })
  })

  it('wait bounds the requests inside it, which a server may leave without a response', async () => {
    const url = await startServer(() => {})
    await expect(clientOf(url).jobs.wait('j1', { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'job_timeout',
      timeoutMs: 100,
    })
  })

  it('wait bounds the pause before a retry', async () => {
    const { url } = await startStub({ status: 503, headers: { 'retry-after': '20' } })
    const client = new ScrapeNestClient({ apiKey: 'sn_live_key', baseUrl: url, maxRetries: 2 })
    await expect(client.jobs.wait('j1', { timeoutMs: 100 })).rejects.toMatchObject({ code: 'job_timeout' })
  })

  it('wait rejects with the signal’s reason when aborted', async () => {
    const { url } = await startStub({ body: { job_id: 'j1', status: 'running' } })
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(clientOf(url).jobs.wait('j1', { signal: controller.signal })).rejects.toBe(reason)
  })

  it.each([{ timeoutMs: 0 }, { timeoutMs: Infinity }, { timeoutMs: 2 ** 31 }, { pollMs: 0 }, { pollMs: Number.NaN }])(
    'wait rejects %o, which no timer can hold',
    async (options) => {
      const { url, requests } = await startStub({ body: { job_id: 'j1', status: 'succeeded' } })
      await expect(clientOf(url).jobs.wait('j1', options)).rejects.toMatchObject({ code: 'configuration_invalid' })
      expect(requests).toEqual([])
    },
  )

  it('getManifest returns undefined while there is none', async () => {
    const { url } = await startStub({ body: { job_id: 'j1', status: 'running' } })
    expect(await clientOf(url).jobs.getManifest('j1')).toBeUndefined()
  })
})
