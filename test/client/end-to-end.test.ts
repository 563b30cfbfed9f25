import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'

const run = promisify(execFile)
const folder = join(import.meta.dirname, '../../examples/end-to-end')

let workingDirectory: string
beforeEach(async () => {
  workingDirectory = await mkdtemp(join(tmpdir(), 'scrapenest-end-to-end-'))
})
afterEach(async () => {
  await rm(workingDirectory, { recursive: true, force: true })
})

it.each(['fastify', 'koa', 'express'])(
  'examples/end-to-end/%s.ts registers, submits, receives, downloads and rotates',
  async (host) => {
    const { SCRAPENEST_API_KEY: _, ...env } = process.env
    const options = { cwd: workingDirectory, env: { ...env, PORT: '0' }, timeout: 60_000 }
    const { stdout, stderr } = await run(process.execPath, [join(folder, `${host}.ts`)], options)

    const downloads = [...stdout.matchAll(/^downloaded (\S+): (\d+) bytes, sha256 ([0-9a-f]{64}), (.+)$/gm)]
    const types = downloads.map(([, type]) => type)
    expect(types.filter((type) => type === 'html')).toHaveLength(2)
    expect(types.filter((type) => type === 'screenshot')).toHaveLength(2)
    for (const [, , byteLength, sha256, path = ''] of downloads) {
      const bytes = await readFile(path)
      expect(relative(workingDirectory, path)).toMatch(/^data[\\/]/)
      expect(bytes).toHaveLength(Number(byteLength))
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
    }
    const steps = stdout.split('\n').map((line) => /^(registered|submitted|alert|rotated|done)/.exec(line)?.[0])
    expect(steps.filter((step) => step !== undefined)).toEqual([
      'registered',
      'submitted',
      'submitted',
      'alert',
      'rotated',
      'submitted',
      'done',
    ])
    expect(stdout).toMatch(/^alert: job \S+ failed \(connection_failed\)$/m)
    expect(stderr).not.toMatch(/whsec_|signature=/)
    const left = await readdir(join(workingDirectory, 'data'), { recursive: true })
    expect(left.filter((name) => name.endsWith('.partial'))).toEqual([])
  },
)

it('the three programs differ only in the lines of their server', async () => {
  const programs = await Promise.all(
    ['fastify', 'koa', 'express'].map((host) => readFile(join(folder, `${host}.ts`), 'utf8')),
  )
  const [onFastify = [], ...others] = programs.map((text) => text.split('\n'))
  for (const lines of others) {
    const own = lines.filter((line) => !onFastify.includes(line))
    expect(own.length).toBeLessThan(15)
    const serverWords = /koa|express|middleware|server|node:(events|net)|AddressInfo|Koa/i
    expect(own.filter((line) => !serverWords.test(line))).toEqual([])
  }
})

it('the scripts in the README exist', async () => {
  const { scripts } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const readme = await readFile(join(folder, 'README.md'), 'utf8')
  const started = [...readme.matchAll(/--filter \.\/examples\/end-to-end (\w+)$/gm)].map(([, script]) => script)
  expect(started.length).toBeGreaterThan(0)
  for (const script of started) expect(Object.keys(scripts)).toContain(script)
})
