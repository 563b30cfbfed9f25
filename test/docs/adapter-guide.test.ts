import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ReadyReceiver } from '@scrapenest-webhooks/core/adapter'
import { scrapenestWebhooks as onFetch } from '@scrapenest-webhooks/core/fetch'
import {
  type ConformanceResult,
  type ConformanceTarget,
  conditions,
  conformanceChecks,
  createEvent,
  generateSecret,
  signDelivery,
} from '@scrapenest-webhooks/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { codeBlocksOf, repository } from './code-blocks.ts'

/** The guide's programs, by the file name in their first line. */
const programs = new Map<string, string>()
for (const { code } of await codeBlocksOf('docs/guides/an-adapter-of-your-own.md')) {
  const [, name] = /^\/\/ ([\w.-]+\.ts)\n/.exec(code) ?? []
  if (name !== undefined) programs.set(name, code)
}

/** Everything that is installed where the programs run. */
const installed = {
  hono: 'examples/hono/node_modules/hono',
  '@hono/node-server': 'test/node_modules/@hono/node-server',
  '@scrapenest-webhooks/core': 'packages/core',
  '@scrapenest-webhooks/testing': 'packages/testing',
  '@types/node': 'node_modules/@types/node',
}

/** A folder outside the workspace, so that the programs can import the packages only through their exports. */
let folder: string
let Hono: new () => App
let scrapenestWebhooks: (options: object) => Middleware & { readonly receiver: ReadyReceiver<Context> }
let target: ConformanceTarget

/** The parts of Hono that the tests below use. */
interface App {
  use(middleware: Middleware): void
  all(path: string, handler: (c: Context) => unknown): void
  request(path: string, options: object): Promise<Response>
}
type Middleware = (c: Context, next: () => Promise<void>) => unknown
interface Context {
  readonly req: { readonly raw: Request; json(): Promise<unknown>; arrayBuffer(): Promise<unknown> }
  header(name: string, value: string): void
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scrapenest-adapter-guide-'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  for (const [name, place] of Object.entries(installed)) {
    const link = join(folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(repository, place), link)
  }
  for (const [name, code] of programs) await writeFile(join(folder, name), code)
  Hono = (await import(join(repository, installed.hono, 'dist/index.js'))).Hono
  scrapenestWebhooks = (await import(join(folder, 'hono-adapter.ts'))).scrapenestWebhooks
  target = (await import(join(folder, 'hono-target.ts'))).target
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the adapter of the guide', () => {
  const adapter = programs.get('hono-adapter.ts') ?? ''

  it('has fewer than 40 lines', () => {
    expect(adapter.trimEnd().split('\n').length).toBeLessThan(40)
  })

  it('imports only public entries', async () => {
    const specifiers = [...adapter.matchAll(/ from '([^']+)'$/gm)].map(([, specifier]) => specifier as string)
    const { name, publishConfig } = JSON.parse(await readFile(join(repository, 'packages/core/package.json'), 'utf8'))
    const entries = Object.keys(publishConfig.exports).map((entry) => join(name, entry))

    expect(adapter.match(/^import /gm)).toHaveLength(specifiers.length)
    expect(adapter).not.toMatch(/import\(|require\(/)
    const others = specifiers.filter((specifier) => !/^(hono|@hono\/node-server)(\/|$)/.test(specifier))
    expect(new Set(others)).toEqual(new Set(['@scrapenest-webhooks/core', '@scrapenest-webhooks/core/adapter']))
    expect(entries).toEqual(expect.arrayContaining(others))
  })

  it('compiles with the strictest flags, together with its target and its test', async () => {
    const tsconfig = {
      extends: join(repository, 'tsconfig.base.json'),
      compilerOptions: {
        composite: false,
        declaration: false,
        isolatedDeclarations: false,
        noEmit: true,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
      },
      files: [...programs.keys()],
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
    const compiler = join(repository, 'node_modules/typescript/bin/tsc')
    const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', folder]).catch((error) => error)

    expect([...programs.keys()]).toEqual(['hono-adapter.ts', 'hono-target.ts', 'hono-adapter.test.ts'])
    expect(stdout).toBe('')
  }, 60_000)
})

/** Reason → the cells where the receiver does not reply. */
const exceptions = new Map<string, string[]>()

describe.concurrent.each(conditions)('the adapter of the guide, %s', (condition) => {
  it.each(conformanceChecks)('$id $name', async (check) => {
    const reason = reasonOf(await check.run(target, condition))
    if (reason !== undefined) exceptions.set(reason, [...(exceptions.get(reason) ?? []), `${check.id} ${condition}`])
  })
})

function reasonOf(result: ConformanceResult): string | undefined {
  if (result.cell === 'ours') return undefined
  return result.cell === 'host' ? `the host answers ${result.status}` : result.reason
}

describe('the checks that do not apply to the adapter of the guide', () => {
  it('are these, for these reasons', () => {
    expect(Object.fromEntries([...exceptions].map(([reason, cells]) => [reason, cells.sort()]))).toMatchInlineSnapshot(`
      {
        "Hono keeps text, in which the invalid bytes are lost": [
          "P03 captured raw body",
        ],
        "a chunked body declares no length": [
          "L01 chunked mid-code-point",
        ],
        "both bodies would only wait for their deadline": [
          "D02 slow",
        ],
        "it is refused before its length is checked": [
          "L01 compressed",
        ],
        "no parser consumes the body; B02 covers content types": [
          "B03 aborted",
          "B03 bare",
          "B03 captured raw body",
          "B03 chunked mid-code-point",
          "B03 compressed",
          "B03 oversized",
          "B03 slow",
        ],
        "parsers differ in the content types they read": [
          "B02 captured raw body",
          "B02 parser first",
        ],
        "the check itself decides how the body is sent": [
          "E01 compressed",
          "E02 compressed",
          "L02 aborted",
          "L02 compressed",
          "L02 oversized",
          "L02 parser first",
          "L02 slow",
        ],
        "the host answers 400": [
          "P02 captured raw body",
        ],
        "the parser decompresses it": [
          "E01 captured raw body",
          "E01 parser first",
        ],
        "the request has no body": [
          "M01 aborted",
          "M01 captured raw body",
          "M01 chunked mid-code-point",
          "M01 compressed",
          "M01 oversized",
          "M01 parser first",
          "M01 slow",
          "P01 aborted",
          "P01 captured raw body",
          "P01 chunked mid-code-point",
          "P01 compressed",
          "P01 oversized",
          "P01 parser first",
          "P01 slow",
        ],
      }
    `)
  })
})

describe('the guide', () => {
  const secret = generateSecret()
  const path = '/webhooks/scrapenest'
  const accepted = { status: 'accepted' }
  const bytesLost = { error: 'raw_body_unavailable' }

  async function send(app: App, payload: object | Uint8Array = createEvent('job.created')): Promise<Response> {
    const { method, headers, body } = signDelivery(payload, { secret })
    return await app.request(path, { method, headers: { ...headers, 'content-length': String(body.byteLength) }, body })
  }

  it('says that middleware may read the body through Hono, which breaks core/fetch', async () => {
    const [app, onCoreFetch] = [new Hono(), new Hono()]
    for (const each of [app, onCoreFetch]) {
      each.use(async (c, next) => {
        await c.req.json()
        await next()
      })
    }
    const logger = { warn() {}, error() {} }
    app.use(scrapenestWebhooks({ path, secret }))
    const webhooks = onFetch({ secret, logger })
    onCoreFetch.all(path, (c) => webhooks(c.req.raw))

    expect(await (await send(app)).json()).toEqual(accepted)
    expect(await (await send(onCoreFetch)).json()).toEqual(bytesLost)
  })

  it('says that the adapter keeps headers of other middleware, which core/fetch loses', async () => {
    const [app, onCoreFetch] = [new Hono(), new Hono()]
    for (const each of [app, onCoreFetch]) {
      each.use(async (c, next) => {
        c.header('x-request-id', '7')
        await next()
      })
    }
    app.use(scrapenestWebhooks({ path, secret }))
    const webhooks = onFetch({ secret })
    onCoreFetch.all(path, (c) => webhooks(c.req.raw))

    expect((await send(app)).headers.get('x-request-id')).toBe('7')
    expect((await send(onCoreFetch)).headers.get('x-request-id')).toBeNull()
  })

  it("passes Hono's context to handlers", async () => {
    const contexts: Context[] = []
    const app = new Hono()
    app.use(
      scrapenestWebhooks({
        path,
        secret,
        onEvent: { '*': (_event: unknown, { context }: { context: Context }) => contexts.push(context) },
      }),
    )

    expect(await (await send(app)).json()).toEqual(accepted)
    expect(contexts).toEqual([expect.objectContaining({ req: expect.objectContaining({ path }) })])
  })

  it('names the fix when middleware has read the request directly', async () => {
    const error = vi.fn()
    const app = new Hono()
    app.use(async (c, next) => {
      await c.req.raw.json()
      await next()
    })
    app.use(scrapenestWebhooks({ path, secret, logger: { warn() {}, error } }))

    expect(await (await send(app)).json()).toEqual(bytesLost)
    expect(error).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'raw_body_unavailable' }),
      expect.stringContaining('c.req.arrayBuffer()'),
    )
  })

  it('says that text without its byte order mark is not the body', async () => {
    const json = Buffer.from(`\uFEFF${JSON.stringify(createEvent('job.created'))}`)
    const app = new Hono()
    app.use(async (c, next) => {
      await c.req.json()
      await next()
    })
    app.use(scrapenestWebhooks({ path, secret, logger: { warn() {}, error() {} } }))

    expect(await (await send(app, json)).json()).toEqual(bytesLost)
  })

  it('starts a receiver created from options in the next turn, and never starts a ready one', async () => {
    const inbox = { put: vi.fn(), start: vi.fn(), close: vi.fn() }
    const receiver = { receive: vi.fn(), start: vi.fn(), close: vi.fn() }
    scrapenestWebhooks({ path, secret, inbox, onEvent: {} })
    scrapenestWebhooks({ path, receiver })
    expect(inbox.start).not.toHaveBeenCalled()
    await setImmediate()

    expect(inbox.start).toHaveBeenCalledOnce()
    expect(receiver.start).not.toHaveBeenCalled()
  })

  it.each([
    ['an unknown option', { path, secret, toleranceSecond: 300 }],
    ['options alongside a ready receiver', { path, secret, receiver: { receive: async () => {} } }],
    ['a path that is not absolute', { path: 'webhooks', secret }],
    ['a malformed closeGraceMs', { path, secret, closeGraceMs: Number.NaN }],
  ])('says that the kit rejects %s', (_what, options) => {
    expect(() => scrapenestWebhooks(options)).toThrow(expect.objectContaining({ code: 'configuration_invalid' }))
  })
})
