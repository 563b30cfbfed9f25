import { defaultCloseGraceMs } from '@scrapenest-webhooks/core/adapter'
import { describe, expect, it } from 'vitest'
import { type CodeBlock, codeBlocksOf } from './code-blocks.ts'
import { allPages, readPage } from './pages.ts'

const blocks = (await Promise.all((await allPages()).map(codeBlocksOf))).flat()

/** The block of a page that names a file in its first line. */
function fileOf(page: string, file: string): string {
  const [block, ...others] = blocks.filter((one) => one.page === page && one.code.startsWith(`# ${file}`))
  if (block === undefined || others.length > 0) throw new Error(`Expected one ${file} in ${page}.`)
  return block.code
}

/** The first group of a pattern, as a number. */
function numberIn(text: string, pattern: RegExp): number {
  const [, digits] = pattern.exec(text) ?? []
  if (digits === undefined) throw new Error(`Expected ${pattern} in ${text}`)
  return Number(digits.replaceAll('_', ''))
}

describe('a process that is stopped', () => {
  const page = 'docs/guides/going-live.md'
  const pm2 = blocks.find((block) => block.page === page && block.code.includes('kill_timeout'))?.code ?? ''
  const pm2Ms = numberIn(pm2, /kill_timeout: ([\d_]+)/)
  const kubernetesMs = numberIn(fileOf(page, 'deployment.yaml'), /terminationGracePeriodSeconds: (\d+)\n/) * 1000
  const dockerMs = numberIn(fileOf(page, 'compose.yaml'), /stop_grace_period: (\d+)s\n/) * 1000

  it('has a second more than close() takes before PM2, Kubernetes or Docker kills it', () => {
    expect(Math.min(pm2Ms, kubernetesMs, dockerMs)).toBeGreaterThanOrEqual(defaultCloseGraceMs + 1000)
  })

  it('would have too little time under the default of PM2 only', async () => {
    const defaults = /Kubernetes waits (\d+) s,\s+Docker\s+(\d+)\s+s,\s+and PM2 only ([\d.]+) s/.exec(
      await readPage(page),
    )
    const [kubernetes, docker, pm2] = (defaults ?? []).slice(1).map((seconds) => Number(seconds) * 1000)

    expect(kubernetes).toBeGreaterThan(defaultCloseGraceMs)
    expect(docker).toBeGreaterThan(defaultCloseGraceMs)
    expect(pm2).toBeLessThan(defaultCloseGraceMs)
  })

  it('has more than any graceMs that a page or an example passes, under Kubernetes', async () => {
    const worker = await readPage('examples/inbox-bullmq/worker.ts')
    const graces = [...blocks.map(({ code }) => code), worker].flatMap((code) =>
      [...code.matchAll(/\bclose\(\{ graceMs: ([\d_]+) \}\)/g)].map(([, ms = '']) => Number(ms.replaceAll('_', ''))),
    )

    expect(graces.length).toBeGreaterThanOrEqual(3)
    expect(Math.max(...graces)).toBeLessThan(kubernetesMs)
  })

  it('handles SIGINT like SIGTERM, in every block and example', async () => {
    const examples = ['inbox-sqlite/server', 'inbox-bullmq/server', 'inbox-bullmq/worker', 'inbox-pg-boss/server']
    const codes = [
      ...blocks.map(({ code }) => code),
      ...(await Promise.all([...examples, 'own-inbox/server'].map((name) => readPage(`examples/${name}.ts`)))),
    ].filter((code) => code.includes("process.once('SIGTERM'"))

    expect(codes.length).toBeGreaterThan(10)
    for (const code of codes) {
      const [, stop] = /process\.once\('SIGTERM', (.+)\)\n/.exec(code) ?? []
      expect(code).toContain(`process.once('SIGINT', ${stop})\n`)
    }
  })
})

describe('the container', () => {
  const page = 'docs/guides/local-development.md'
  const dockerfile = fileOf(page, 'Dockerfile')
  const compose = fileOf(page, 'compose.yaml')

  it('has a Node on which the inbox, the simulator and the command line run', async () => {
    const { engines } = JSON.parse(await readPage('packages/cli/package.json'))
    const oldest = numberIn(engines.node, /^>=(\d+)\.\d+$/)

    expect(numberIn(dockerfile, /^FROM node:(\d+)-slim$/m)).toBeGreaterThan(oldest)
  })

  it('copies and starts the file that the quick start saves', async () => {
    const [, saved] = /^Save this as `([\w.]+)`/m.exec(await readPage('README.md')) ?? []
    const [, started] = /^CMD \["node", "([\w.]+)"\]$/m.exec(dockerfile) ?? []
    const copied = [...dockerfile.matchAll(/^COPY (.+) \.\/$/gm)].flatMap(([, files = '']) => files.split(' '))

    expect(started).toBe(saved)
    expect(copied).toEqual(['package.json', 'package-lock.json', saved])
  })

  it('mounts the directory in which the guides put the file of an inbox, for the user who runs the server', async () => {
    const [, directory] = /file: '\.\/(\w+)\/webhooks\.db'/.exec(await readPage('docs/guides/inbox.md')) ?? []
    const [, workingDirectory] = /^WORKDIR (\S+)$/m.exec(dockerfile) ?? []
    const [, user] = /^USER (\w+)$/m.exec(dockerfile) ?? []

    expect(compose).toContain(`volumes: ["${directory}:${workingDirectory}/${directory}"]`)
    expect(compose).toMatch(new RegExp(`^volumes:\n {2}${directory}:\n`, 'm'))
    expect(dockerfile).toContain(`RUN mkdir ${directory} && chown ${user} ${directory}\n`)
  })

  it('publishes the port that the server and the simulator use', async () => {
    const port = numberIn(await readPage('README.md'), /app\.listen\(\{ port: (\d+) \}\)/)

    expect(compose).toContain(`ports: ["${port}:${port}"]`)
    expect(compose).toContain(`--endpoint http://localhost:${port}/webhooks/scrapenest\n`)
  })

  it('gets its secret when it starts, and has none in its image', () => {
    expect(dockerfile).not.toMatch(/^(?:ENV|ARG)\b|whsec_|COPY \. |\.env/m)
    const assigned = [...compose.matchAll(/(\w*SECRET\w*): (.+)\n/g)].map(([, name, value]) => [name, value])

    expect(assigned).toHaveLength(2)
    for (const [name, value] of assigned) {
      expect(name).toBe('SCRAPENEST_WEBHOOK_SECRET')
      // The colon and question mark make Compose refuse an unset variable.
      expect(value).toMatch(/^\$\{SCRAPENEST_WEBHOOK_SECRET:\?\}$/)
    }
  })
})

describe('the variable of the signing secret', () => {
  const variable = 'SCRAPENEST_WEBHOOK_SECRET'
  const namesIn = ({ code }: CodeBlock): readonly string[] =>
    code.match(/\b[A-Z][A-Z\d_]*SECRETS?(?:_[A-Z]+)?\b/g) ?? []

  it('has one name on every page, which names of several endpoints or tenants begin with', () => {
    const others = blocks
      .filter(({ page }) => page !== 'docs/guides/coming-from-stripe.md')
      .flatMap((block) => namesIn(block).map((name) => [block.page, name] as const))
      .filter(([, name]) => name !== variable && !name.startsWith(`${variable}_`))

    expect(blocks.flatMap(namesIn).filter((name) => name === variable).length).toBeGreaterThan(50)
    expect(others).toEqual([])
  })

  it('is split into a list in the guide to rotation, and in no other place', () => {
    const lists = blocks.flatMap(({ page, code }) =>
      [...code.matchAll(/secret: process\.env\.(\w+)\?\.split\(','\)/g)].map(([, name]) => [page, name]),
    )

    expect(lists).toEqual([['docs/guides/rotation.md', variable]])
  })
})
