import http, { type ClientRequest } from 'node:http'
import https from 'node:https'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ScrapeNestClient } from '../../src/index.ts'
import { startServer, startStub } from '../stub-server.ts'
import { run } from './run.ts'
import { clientOf, here, sha256, startStorage } from './storage.ts'
import { useTemporaryFolder } from './temporary-folder.ts'

const folder = useTemporaryFolder()

describe('where a download may lead', () => {
  function strict(options: object = {}): ScrapeNestClient['artifacts'] {
    return clientOf({ allowInsecure: false, allowPrivateAddresses: false, ...options }).artifacts
  }

  it.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://0x7f000001/',
    'https://2130706433/',
    'https://10.1.2.3/',
    'https://172.31.255.255/',
    'https://192.168.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://255.255.255.255/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a00:1]/',
    'https://[::127.0.0.1]/',
    'https://[64:ff9b::a00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[fe80::1]/',
    'https://[fec0::1]/',
    'https://[fc00::1]/',
    'https://[fd12:3456::1]/',
    'https://[ff02::1]/',
    'https://localhost/',
  ])('not to %s', async (url) => {
    await expect(strict().download(url, { to: folder.target })).rejects.toMatchObject({ code: 'address_not_allowed' })
    await folder.expectEmpty()
  })

  it.each([
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'https://user:pw@example.com/',
    'https://',
  ])('not to %s', async (url) => {
    await expect(strict().download(url, { to: folder.target })).rejects.toMatchObject({ code: 'url_not_allowed' })
  })

  it('checks the address that a name resolves to, in the connection’s own lookup', async () => {
    const { url, requests } = await startStub({ body: 'secret of this machine' })
    const named = url.replace('127.0.0.1', 'localhost')
    const refused = strict({ allowInsecure: true }).download(named, { to: folder.target })
    await expect(refused).rejects.toMatchObject({
      code: 'address_not_allowed',
      address: expect.stringMatching(/^(127|::1)/),
    })
    expect(requests).toEqual([])
  })

  it('needs one permission for http and one for private addresses', async () => {
    const url = await startStorage()
    await expect(strict({ allowInsecure: true }).download(url, { to: folder.target })).rejects.toMatchObject({
      code: 'address_not_allowed',
    })
    await expect(strict({ allowPrivateAddresses: true }).download(url, { to: folder.target })).rejects.toMatchObject({
      code: 'url_not_allowed',
    })
    expect(await strict().download(url, { to: folder.target, ...here })).toMatchObject({ sha256 })
  })

  it('follows at most five redirects, and checks each', async () => {
    const url = await startServer((request, response) => {
      const left = Number(request.url?.slice(1))
      if (left === 0) response.end('there')
      else response.writeHead(302, { location: `/${left - 1}` }).end()
    })
    expect(await clientOf().artifacts.downloadText(`${url}/5`)).toBe('there')
    await expect(clientOf().artifacts.downloadText(`${url}/6`)).rejects.toMatchObject({ code: 'too_many_redirects' })

    const redirecting = await startStub({ status: 302, headers: { location: 'file:///etc/passwd' } })
    await expect(clientOf().artifacts.downloadText(redirecting.url)).rejects.toMatchObject({ code: 'url_not_allowed' })
  })

  it.each([
    ['UTF-8', Buffer.from('/größe/日本?q=ü'), '/gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC?q=%C3%BC'],
    ['latin1', Buffer.from('/größe', 'latin1'), '/gr%F6%DFe'],
    ['escaped UTF-8', Buffer.from('/gr%C3%B6%C3%9Fe?a=%2F'), '/gr%C3%B6%C3%9Fe?a=%2F'],
  ])('follows a Location in %s to the same bytes', async (_encoding, location, path) => {
    const seen: (string | undefined)[] = []
    const url = await startServer((request, response) => {
      seen.push(request.url)
      if (request.url !== '/') response.end('there')
      else response.writeHead(302, { location: location.toString('latin1') }).end()
    })
    expect(await clientOf().artifacts.downloadText(url)).toBe('there')
    expect(seen.map((path) => path?.replaceAll(/%../g, (escaped) => escaped.toUpperCase()))).toEqual(['/', path])
  })

  it('follows a Location whose host is in UTF-8', async () => {
    const { url } = await startStub({
      status: 302,
      headers: { location: Buffer.from('http://ü.invalid/').toString('latin1') },
    })
    await expect(clientOf().artifacts.downloadText(url)).rejects.toMatchObject({
      code: 'connection_failed',
      message: expect.stringContaining('xn--tda.invalid'),
    })
  })

  it.each<[string, typeof http | typeof https]>([
    ['http', http],
    ['https', https],
  ])('requests through the get of the module %s, which mocks replace', async (protocol, module) => {
    const get = vi.spyOn(module, 'get').mockImplementation((): ClientRequest => {
      throw new Error('seen by the mock')
    })
    onTestFinished(() => get.mockRestore())
    await clientOf()
      .artifacts.downloadText(`${protocol}://storage.invalid/`)
      .catch(() => {})
    expect(get).toHaveBeenCalledTimes(1)
  })

  it('connects directly where the environment names a proxy', async () => {
    const storage = await startStub({ body: 'direct' })
    const proxy = await startStub({ body: 'through the proxy' })
    const script = `
      import http from 'node:http'
      import { ScrapeNestClient } from '@scrapenest-webhooks/client'
      const client = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, allowPrivateAddresses: true })
      console.log(await client.artifacts.downloadText(process.argv[1]))
      http.get('http://other.invalid/', () => process.exit()).on('error', () => {})`
    const node = [process.execPath, '--input-type=module', '-e', script, storage.url]
    const { stdout } = await run('env', ['NODE_USE_ENV_PROXY=1', `HTTP_PROXY=${proxy.url}`, 'NO_PROXY=', ...node])
    expect(stdout.trim()).toBe('direct')
    expect(storage.requests).toHaveLength(1)
    // Only versions of Node that know the variable use the proxy.
    const isKnown = process.allowedNodeEnvironmentFlags.has('--use-env-proxy')
    expect(proxy.requests.map(({ url }) => url)).toEqual(isKnown ? ['http://other.invalid/'] : [])
  })

  it.runIf(process.platform === 'linux')(
    'reaches a public address, but not a private one by redirect',
    async (context) => {
      // A separate network namespace, in which this machine has a public address.
      const publicAddress = 'ip link set lo up && ip addr add 9.9.9.9/32 dev lo && exec "$@"'
      const script = `
      import { createServer } from 'node:http'
      import { ScrapeNestClient } from '@scrapenest-webhooks/client'
      const inside = createServer((request, response) => response.end('secret of this machine')).listen(8081, '127.0.0.1')
      const outside = createServer((request, response) => {
        if (request.url === '/here') response.end('public')
        else response.writeHead(302, { location: 'http://127.0.0.1:8081/' }).end()
      }).listen(8080, '9.9.9.9')
      const { artifacts } = new ScrapeNestClient({ apiKey: 'k', allowInsecure: true, maxRetries: 0 })
      const of = (url) => artifacts.downloadText(url).catch((error) => error.code)
      console.log(await of('http://9.9.9.9:8080/here'), await of('http://9.9.9.9:8080/there'))
      for (const server of [inside, outside]) server.close()`
      const node = [process.execPath, '--input-type=module', '-e', script]
      const { stdout, exitCode } = await run('unshare', [
        '--user',
        '--map-root-user',
        '--net',
        'sh',
        '-c',
        publicAddress,
        'sh',
        ...node,
      ])
      context.skip(exitCode !== 0 && stdout === '', 'this user may not create a network namespace (unshare --net, ip)')
      expect(stdout.trim()).toBe('public address_not_allowed')
    },
  )
})
