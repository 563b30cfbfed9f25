import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Artifact } from '../../src/index.ts'
import { startServer, startStub } from '../stub-server.ts'
import { bytes, clientOf, sha256, startStorage } from './storage.ts'
import { useTemporaryFolder } from './temporary-folder.ts'

const folder = useTemporaryFolder()

it('takes a URL from another realm, as under Jest or jsdom', async () => {
  const href = await startStorage()
  // In this realm, a URL from jsdom is just an object with the getters of a URL.
  const foreign = new (class {
    get href(): string {
      return href
    }
  })()
  expect(await clientOf().artifacts.download(foreign as URL, { to: folder.target })).toMatchObject({ sha256 })
})

describe('the content_hash that the API states', () => {
  const downloadOf = async (content_hash: unknown) => {
    const artifact = { artifact_id: 'a1', artifact_type: 'html', download_url: await startStorage(), content_hash }
    return clientOf().artifacts.download(artifact as Artifact, { to: folder.target })
  }

  it.each<[string, unknown]>([
    ['of other bytes', sha256.replace(/^./, (first) => (first === '0' ? '1' : '0'))],
    ['that lacks a character', sha256.slice(1)],
    ['that is empty', ''],
    ['of an unknown algorithm', `sha512:${sha256}${sha256}`],
    ['of an unknown algorithm in base64', `sha384-${'A'.repeat(64)}`],
    ['in another form', sha256.match(/../g)?.join(':')],
    ['given twice', `sha256:${sha256} sha256:${sha256}`],
    ['that is a number', 7],
  ])('%s is integrity_mismatch', async (_what, contentHash) => {
    await expect(downloadOf(contentHash)).rejects.toMatchObject({ code: 'integrity_mismatch' })
    await folder.expectEmpty()
  })

  it.each([sha256, `sha256:${sha256}`, undefined, null])(
    'passes if it matches or is absent: %s',
    async (contentHash) => {
      expect(await downloadOf(contentHash)).toMatchObject({ sha256 })
    },
  )
})

describe('an expired URL', () => {
  const expired = { status: 403 }

  it('is renewed through the job of an event, and then size and SHA-256 of the job are checked', async () => {
    const store = await startServer((request, response) => {
      if (request.url?.endsWith('old')) response.writeHead(403).end()
      else response.end(bytes)
    })
    const artifact = {
      artifact_id: 'a1',
      artifact_type: 'html',
      byte_size: bytes.length,
      content_hash: sha256,
      download_url: `${store}/a?new`,
    }
    const api = await startStub({ body: { job_id: 'j1', status: 'succeeded', artifacts: [artifact] } })
    const event = {
      event_type: 'artifact.ready',
      data: { job_id: 'j1', artifact_type: 'html', download_url: `${store}/a?old` },
    }
    expect(await clientOf({ baseUrl: api.url }).artifacts.download(event, { to: folder.target })).toMatchObject({
      sha256,
    })
    expect(api.requests.map(({ url }) => url)).toEqual(['/v1/jobs/j1?include_download_urls=true'])

    const lying = await startStub({
      body: { job_id: 'j1', status: 'succeeded', artifacts: [{ ...artifact, byte_size: 5 }] },
    })
    await expect(
      clientOf({ baseUrl: lying.url }).artifacts.download(event, { to: join(folder.path, 'b') }),
    ).rejects.toMatchObject({
      code: 'integrity_mismatch',
    })
    expect(await readdir(folder.path)).toEqual(['page.html'])
  })

  it('of an event is renewed as the artifact with the same path, and never guessed', async () => {
    const store = await startServer((request, response) => {
      if (request.url?.endsWith('old')) response.writeHead(403).end()
      else response.end(request.url)
    })
    const artifacts = [1, 2].map((n) => ({
      artifact_id: `a${n}`,
      artifact_type: 'html',
      download_url: `${store}/${n}?new`,
    }))
    const api = await startStub({ body: { job_id: 'j1', status: 'succeeded', artifacts } })
    const event = (path: string) => ({
      data: { job_id: 'j1', artifact_type: 'html', download_url: `${store}/${path}?old` },
    })
    expect(await clientOf({ baseUrl: api.url }).artifacts.downloadText(event('2'))).toBe('/2?new')
    await expect(clientOf({ baseUrl: api.url }).artifacts.downloadText(event('3'))).rejects.toMatchObject({
      code: 'artifact_not_found',
    })
    const none = { data: { ...event('2').data, artifact_type: 'har' } }
    await expect(clientOf({ baseUrl: api.url }).artifacts.downloadText(none)).rejects.toMatchObject({
      code: 'artifact_not_found',
    })
  })

  it('is renewed once if the id or the artifact is known', async () => {
    const store = await startStub(expired, { body: 'one' }, expired, { body: 'two' }, expired)
    const api = await startStub({ body: { artifact_id: 'a1', download_url: store.url } })
    const { artifacts } = clientOf({ baseUrl: api.url })
    expect(await artifacts.downloadText('a1')).toBe('one')
    expect(api.requests).toHaveLength(2)
    expect(await artifacts.downloadText({ artifact_id: 'a1', artifact_type: 'html', download_url: store.url })).toBe(
      'two',
    )
    expect(api.requests).toHaveLength(3)
    await expect(artifacts.downloadText('a1')).rejects.toMatchObject({
      code: 'download_url_expired',
      message: expect.stringContaining('The renewed URL was refused'),
    })
  })

  it('rejects with download_url_expired if only the URL is known', async () => {
    const { url } = await startStub(expired)
    await expect(clientOf().artifacts.download(url, { to: folder.target })).rejects.toMatchObject({
      code: 'download_url_expired',
      status: 403,
    })
    await folder.expectEmpty()
  })
})
