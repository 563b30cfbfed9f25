import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { DownloadOptions } from '../../src/index.ts'
import { freeUrl, startServer, startStub, startTcpServer, startTlsServer } from '../stub-server.ts'
import { apiKey, bytes, clientOf, sha256, startStorage } from './storage.ts'
import { useTemporaryFolder } from './temporary-folder.ts'

const folder = useTemporaryFolder()

describe('a download', () => {
  it('writes the whole file, under its final name only, and returns size and SHA-256', async () => {
    const url = await startStorage({ 'content-length': String(bytes.length), 'content-type': 'text/html' })
    const to = join(folder.path, 'new', 'folder', 'page.html')
    const result = await clientOf().artifacts.download(`${url}/a?signature=1`, { to })
    expect(result).toEqual({ path: to, byteLength: bytes.length, sha256, contentType: 'text/html' })
    expect(await readFile(to)).toEqual(bytes)
    expect(await readdir(join(folder.path, 'new', 'folder'))).toEqual(['page.html'])
  })

  it('replaces an existing file only when the new one is whole', async () => {
    await writeFile(folder.target, 'old')
    const failing = await startStorage({}, Buffer.from('changed'))
    await expect(clientOf().artifacts.download(failing, { to: folder.target, sha256 })).rejects.toMatchObject({
      code: 'integrity_mismatch',
    })
    expect(await readFile(folder.target, 'utf8')).toBe('old')
    await clientOf().artifacts.download(await startStorage(), { to: folder.target, sha256 })
    expect(await readFile(folder.target)).toEqual(bytes)
    expect(await readdir(folder.path)).toEqual(['page.html'])
  })

  it('reports its progress', async () => {
    const seen: object[] = []
    const url = await startStorage({ 'content-length': String(bytes.length) })
    await clientOf().artifacts.download(url, { to: folder.target, onProgress: (progress) => seen.push(progress) })
    expect(seen.at(-1)).toEqual({ receivedBytes: bytes.length, totalBytes: bytes.length })
    expect(seen.length).toBeGreaterThan(1)
  })

  it('accepts a SHA-256 in hex and in base64', async () => {
    const url = await startStorage()
    for (const form of [sha256.toUpperCase(), `sha256:${sha256}`, Buffer.from(sha256, 'hex').toString('base64')]) {
      await clientOf().artifacts.download(url, { to: folder.target, sha256: form })
    }
    await expect(clientOf().artifacts.download(url, { to: folder.target, sha256: 'abc' })).rejects.toMatchObject({
      code: 'configuration_invalid',
    })
    await expect(
      clientOf().artifacts.download(url, { to: folder.target, sha265: sha256 } as DownloadOptions),
    ).rejects.toMatchObject({ code: 'configuration_invalid' })
  })

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ] as const)('undoes a content-encoding of %s, and applies maxBytes to the result', async (encoding, compress) => {
    const text = Buffer.alloc(500_000, 'a')
    const url = await startStorage({ 'content-encoding': encoding }, compress(text))
    expect(await clientOf().artifacts.downloadBytes(url)).toEqual(new Uint8Array(text))
    await expect(clientOf().artifacts.download(url, { to: folder.target, maxBytes: 400_000 })).rejects.toMatchObject({
      code: 'download_too_large',
    })
    await folder.expectEmpty()
  })

  it('reads an artifact as text', async () => {
    const url = await startStorage({}, Buffer.from('zürich', 'latin1'))
    expect(await clientOf().artifacts.downloadText(url, { encoding: 'latin1' })).toBe('zürich')
  })

  it('rejects with download_too_large beyond maxBytes, declared or counted', async () => {
    const declared = await startStorage({ 'content-length': String(bytes.length) })
    const undeclared = await startStorage({ 'transfer-encoding': 'chunked' })
    for (const url of [declared, undeclared]) {
      const download = clientOf().artifacts.download(url, { to: folder.target, maxBytes: bytes.length - 1 })
      await expect(download).rejects.toMatchObject({ code: 'download_too_large', maxBytes: bytes.length - 1 })
    }
    await folder.expectEmpty()
    await clientOf().artifacts.download(declared, { to: folder.target, maxBytes: bytes.length })
  })

  it('never sends the API key to the storage service', async () => {
    const { url, requests } = await startStub({ body: 'x' })
    await clientOf().artifacts.download(url, { to: folder.target })
    expect(JSON.stringify(requests)).not.toContain(apiKey)
  })
})

describe('a download that breaks', () => {
  it('leaves nothing when the connection ends early, and starts over if retries are left', async () => {
    let count = 0
    const url = await startServer((_request, response) => {
      count += 1
      response.writeHead(200, { 'content-length': bytes.length })
      if (count < 3) response.write(bytes.subarray(0, 1000), () => response.destroy())
      else response.end(bytes)
    })
    await expect(clientOf().artifacts.download(url, { to: folder.target })).rejects.toMatchObject({
      code: 'connection_failed',
    })
    await folder.expectEmpty()
    expect(await clientOf({ maxRetries: 1 }).artifacts.download(url, { to: folder.target })).toMatchObject({ sha256 })
    expect(count).toBe(3)
  })

  it('rejects when a body of unknown length ends early', async () => {
    const url = await startServer((_request, response) => {
      response.writeHead(200)
      response.write(bytes.subarray(0, 1000), () => response.destroy())
    })
    await expect(clientOf().artifacts.download(url, { to: folder.target })).rejects.toMatchObject({
      code: 'connection_failed',
    })
    await folder.expectEmpty()
  })

  it('rejects with request_timeout if nothing arrives for timeoutMs, before or during the response', async () => {
    for (const begins of [false, true]) {
      const url = await startServer((_request, response) => {
        if (begins) response.writeHead(200).write(bytes.subarray(0, 1000))
      })
      const failure = clientOf({ timeoutMs: 150 }).artifacts.download(url, { to: folder.target })
      await expect(failure).rejects.toMatchObject({ code: 'request_timeout', timeoutMs: 150 })
    }
    await folder.expectEmpty()
  })

  it('rejects with the signal’s reason when aborted, before and in the middle', async () => {
    const url = await startServer((_request, response) => response.writeHead(200).write(bytes.subarray(0, 1000)))
    const reason = new Error('enough')
    await expect(
      clientOf().artifacts.download(url, { to: folder.target, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason)
    const controller = new AbortController()
    const onProgress = () => controller.abort(reason)
    const aborted = clientOf({ maxRetries: 2 }).artifacts.download(url, {
      to: folder.target,
      onProgress,
      signal: controller.signal,
    })
    await expect(aborted).rejects.toBe(reason)
    await folder.expectEmpty()
  })

  it('rejects with what onProgress throws, and leaves nothing', async () => {
    const reason = new Error('no more room on the screen')
    const onProgress = () => {
      throw reason
    }
    await expect(clientOf().artifacts.download(await startStorage(), { to: folder.target, onProgress })).rejects.toBe(
      reason,
    )
    await folder.expectEmpty()
  })

  it.each([404, 500, 204, 206])('rejects with download_failed for status %i', async (status) => {
    const url = await startServer((_request, response) => response.writeHead(status).end())
    await expect(clientOf().artifacts.download(url, { to: folder.target })).rejects.toMatchObject({
      code: 'download_failed',
      status,
    })
    await folder.expectEmpty()
  })

  it('rejects with connection_failed if nothing listens', async () => {
    const failure = clientOf().artifacts.download(await freeUrl(), { to: folder.target })
    await expect(failure).rejects.toMatchObject({
      code: 'connection_failed',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('says so if the connection closes before the response', async () => {
    const url = await startTcpServer((socket) => socket.end())
    const failure = clientOf().artifacts.download(url, { to: folder.target })
    await expect(failure).rejects.toMatchObject({
      code: 'connection_failed',
      message: expect.stringMatching(/after 1 attempt: (ECONNRESET|The connection closed before the response)\.$/),
    })
    await folder.expectEmpty()
  })

  it('rejects with file_write_failed if the target cannot be written, and leaves nothing', async () => {
    const url = await startStorage()
    await writeFile(join(folder.path, 'file'), '')
    const below = await clientOf()
      .artifacts.download(url, { to: join(folder.path, 'file', 'page.html') })
      .catch((error: unknown) => error)
    expect(below).toMatchObject({ code: 'file_write_failed' })
    await rm(join(folder.path, 'file'))
    await mkdir(folder.target)
    const onto = await clientOf()
      .artifacts.download(url, { to: folder.target })
      .catch((error: unknown) => error)
    expect(onto).toMatchObject({
      code: 'file_write_failed',
      path: folder.target,
      systemCode: expect.stringMatching(/EISDIR|ENOTEMPTY|EEXIST|EPERM/),
    })
    expect(await readdir(folder.path)).toEqual(['page.html'])
  })

  it('shows no download_url in any error', async () => {
    const secret = 'X-Amz-Signature=0123456789'
    const { url } = await startStub(
      { status: 403 },
      { status: 404 },
      { status: 302, headers: { location: 'ftp://x.example/' } },
    )
    const urls = [
      `${url}/a?${secret}`,
      `${url}/a?${secret}`,
      `${url}/a?${secret}`,
      `http://nowhere.invalid/?${secret}`,
      `https://[broken/?${secret}`,
      `ftp://x.example/?${secret}`,
      `${await freeUrl()}/?${secret}`,
    ]
    for (const each of urls) {
      const error = await clientOf()
        .artifacts.download(each, { to: folder.target })
        .catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: expect.any(String) })
      expect(inspect(error, { depth: 9 })).not.toContain('0123456789')
    }
  })
})

describe('retries of a download', () => {
  it('wait as long as Retry-After says', async () => {
    const at: number[] = []
    const url = await startServer((_request, response) => {
      at.push(performance.now())
      if (at.length === 1) response.writeHead(503, { 'retry-after': '1' }).end()
      else response.end('page')
    })
    expect(await clientOf({ maxRetries: 1 }).artifacts.downloadText(url)).toBe('page')
    const [first = 0, second = 0] = at
    expect(second - first).toBeGreaterThan(950)
  })

  it('leave a long Retry-After to the caller', async () => {
    const { url, requests } = await startStub({ status: 503, headers: { 'retry-after': '3600' } })
    await expect(clientOf({ maxRetries: 2 }).artifacts.downloadText(url)).rejects.toMatchObject({
      code: 'download_failed',
      status: 503,
      retryAfterSeconds: 3600,
      attempts: 1,
    })
    expect(requests).toHaveLength(1)
  })

  it('are counted', async () => {
    let connections = 0
    const url = await startTcpServer((socket) => {
      connections += 1
      socket.resetAndDestroy()
    })
    await expect(clientOf({ maxRetries: 2 }).artifacts.downloadText(url)).rejects.toMatchObject({
      code: 'connection_failed',
      attempts: 3,
      message: expect.stringContaining('after 3 attempts'),
    })
    expect(connections).toBe(3)

    const { url: failing, requests } = await startStub({ status: 500, headers: { 'retry-after': '0' } })
    await expect(clientOf({ maxRetries: 2 }).artifacts.downloadText(failing)).rejects.toMatchObject({
      code: 'download_failed',
      attempts: 3,
    })
    expect(requests).toHaveLength(3)
  })

  it('do not happen if the certificate is rejected', async () => {
    let connections = 0
    const url = await startTlsServer(
      (_request, response) => response.end('page'),
      () => {
        connections += 1
      },
    )
    await expect(clientOf({ maxRetries: 2 }).artifacts.downloadText(url)).rejects.toMatchObject({
      code: 'connection_failed',
      attempts: 1,
      message: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    })
    expect(connections).toBe(1)
  })
})

describe('an encoded artifact', () => {
  const encoded = gzipSync(bytes)

  it.each([
    ['zstd', bytes, 'content_coding_unsupported'],
    ['gzip, UTF-8', encoded, 'content_coding_unsupported'],
    ['gzip', bytes, 'content_decoding_failed'],
    ['gzip', encoded.subarray(0, -100), 'content_decoding_failed'],
    ['br', encoded, 'content_decoding_failed'],
  ])('of %s is requested once and leaves nothing', async (contentEncoding, body, code) => {
    let count = 0
    const url = await startServer((_request, response) => {
      count += 1
      response.writeHead(200, { 'content-encoding': contentEncoding, 'content-length': body.length }).end(body)
    })
    const download = clientOf({ maxRetries: 2 }).artifacts.download(url, { to: folder.target })
    await expect(download).rejects.toMatchObject({ code, contentEncoding })
    expect(count).toBe(1)
    await folder.expectEmpty()
  })

  it.each([0, 1000])('rejects when the connection ends after %i bytes', async (byteLength) => {
    const url = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': encoded.length }).flushHeaders()
      if (byteLength === 0) setImmediate(() => response.destroy())
      else response.write(encoded.subarray(0, byteLength), () => response.destroy())
    })
    await expect(clientOf().artifacts.download(url, { to: folder.target })).rejects.toMatchObject({
      code: 'connection_failed',
    })
    await folder.expectEmpty()
  })

  it.each([0, 1000])('rejects with request_timeout in a silence after %i bytes', async (byteLength) => {
    const url = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).flushHeaders()
      if (byteLength > 0) response.write(encoded.subarray(0, byteLength))
    })
    const download = clientOf({ timeoutMs: 150 }).artifacts.download(url, { to: folder.target })
    await expect(download).rejects.toMatchObject({ code: 'request_timeout', timeoutMs: 150 })
    await folder.expectEmpty()
  })

  it('rejects with the signal’s reason when aborted', async () => {
    const url = await startServer((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).write(encoded.subarray(0, 1000)),
    )
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 100)
    const { signal } = controller
    await expect(clientOf().artifacts.download(url, { to: folder.target, signal })).rejects.toBe(reason)
    await folder.expectEmpty()
  })

  it('rejects with download_too_large if it decodes to nothing for too long', async () => {
    const nothing = gzipSync('')
    const url = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      const timer = setInterval(() => response.write(Buffer.concat(Array(1000).fill(nothing))), 1)
      response.once('close', () => clearInterval(timer))
    })
    await expect(clientOf().artifacts.download(url, { to: folder.target, maxBytes: 100_000 })).rejects.toMatchObject({
      code: 'download_too_large',
    })
    await folder.expectEmpty()
  })
})

it('the documented example keeps a hostile job_id inside its folder', async () => {
  const source = await readFile(new URL('../../src/download/artifacts.ts', import.meta.url), 'utf8')
  const [, template = ''] = /\* await client\.artifacts\.download\(event, \{ to: `(.+)` \}\)/.exec(source) ?? []
  expect(template).toContain('event.data.job_id')
  const pathFor = new Function('event', `return \`${template}\``)
  for (const job_id of ['../../outside', '..', '/etc/passwd', 'a/../../b']) {
    expect(dirname(pathFor({ data: { job_id } }))).toBe('data')
  }
})

it('rejects with request_timeout if the server sends only interim responses', async () => {
  const url = await startTcpServer((socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 20)
    socket.once('close', () => clearInterval(timer))
  })
  await expect(clientOf({ timeoutMs: 200 }).artifacts.downloadBytes(url)).rejects.toMatchObject({
    code: 'request_timeout',
    timeoutMs: 200,
  })
})
