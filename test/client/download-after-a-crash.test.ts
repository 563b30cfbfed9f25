import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'

const bytes = randomBytes(3_000_000)
const sha256 = createHash('sha256').update(bytes).digest('hex')
const secret = generateSecret()

let folder: string
let storage: Server
let answer: RequestListener
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scrapenest-crash-'))
  storage = createServer((request, response) => answer(request, response))
  await new Promise<void>((listening) => storage.listen(0, '127.0.0.1', listening))
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  storage.closeAllConnections()
  await new Promise((closed) => storage.close(closed))
  await rm(folder, { recursive: true, force: true })
})

interface RunningChild {
  readonly process: ChildProcess
  /** Resolves with the next message that has this field. */
  next(field: string): Promise<Record<string, unknown>>
}

function start(prefix: readonly string[] = []): RunningChild {
  const server = join(import.meta.dirname, 'downloading-server.ts')
  const [command = '', ...parameters] = [...prefix, process.execPath, server, secret, folder]
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const waiters: { field: string; resolve: (message: Record<string, unknown>) => void }[] = []
  const messages: Record<string, unknown>[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message: Record<string, unknown> = JSON.parse(line)
    messages.push(message)
    for (const { field, resolve } of waiters) if (field in message) resolve(message)
  })
  const next = (field: string): Promise<Record<string, unknown>> =>
    new Promise((resolve) => {
      const known = messages.find((message) => field in message)
      if (known !== undefined) resolve(known)
      else waiters.push({ field, resolve })
    })
  return { process: child, next }
}

async function announce(child: RunningChild): Promise<void> {
  const { port } = await child.next('port')
  const download_url = `http://127.0.0.1:${(storage.address() as AddressInfo).port}/page`
  const event = createEvent('artifact.ready', { data: { artifact_type: 'html', download_url } })
  const { status } = await deliver(`http://127.0.0.1:${port}/`, signDelivery(event, { secret }))
  expect(status).toBe(202)
}

const files = (): Promise<string[]> => readdir(join(folder, 'files'))

it('a download interrupted by a kill runs again after the restart and never leaves an incomplete file', async () => {
  answer = (_request, response) =>
    response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 1_000_000))
  const first = start()
  await announce(first)
  await first.next('receiving')
  first.process.kill('SIGKILL')
  await new Promise((exited) => first.process.once('exit', exited))
  expect(await files()).toEqual([expect.stringMatching(/^\.scrapenest-.*\.partial$/)])

  answer = (_request, response) => response.end(bytes)
  expect(await start().next('sha256')).toEqual({ sha256, attempt: 2 })
  expect(await files()).toEqual(['page.html'])
  expect(await readFile(join(folder, 'files', 'page.html'))).toEqual(bytes)
})

it.skipIf(process.platform === 'win32')(
  'downloads on a full disk fail without leaving a file, and succeed once there is space',
  async () => {
    answer = (_request, response) => response.end(bytes)
    // Limits the child's files to 1 MiB: the kernel rejects the write, as on a full disk.
    const limited = start(['sh', '-c', 'ulimit -f 2048; exec "$@"', 'sh'])
    await announce(limited)
    expect(await limited.next('failed')).toEqual({ failed: 'EFBIG' })
    limited.process.kill('SIGKILL')
    await new Promise((exited) => limited.process.once('exit', exited))
    expect(await files()).not.toContain('page.html')

    expect(await start().next('sha256')).toMatchObject({ sha256 })
    expect(await files()).toEqual(['page.html'])
  },
)
