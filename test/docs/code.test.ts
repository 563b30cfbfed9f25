import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createEvent, deliver, generateSecret, signDelivery } from '@scrapenest-webhooks/testing'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { pnpmCommand } from '../../scripts/pnpm.ts'
import { startServer } from '../examples/running-server.ts'
import { packAll } from '../packaging/consumer.ts'
import { oncePerRun } from '../packaging/once-per-run.ts'
import { type CodeBlock, codeBlocksOf, isFirstProgram, isServer, repository } from './code-blocks.ts'
import { allPages, readPage } from './pages.ts'

const run = promisify(execFile)

const blocks = (await Promise.all((await allPages()).map(codeBlocksOf))).flat()
const code = blocks.filter(({ language }) => language === 'ts' || language === 'js')
const excerpts = code.filter((block) => sourceOf(block) !== undefined)
const programs = code.filter((block) => sourceOf(block) === undefined)
const servers = programs.filter(isServer)
const tests = programs.filter(({ code }) => code.includes("from 'node:test'"))

/** Functions that the pages leave to the reader. */
const readersOwn = `
declare function save(url: string): Promise<void>
declare function warn(message: string): Promise<void>
declare function findSecrets(tenant: string | null): Promise<readonly string[]>
`
const readersOwnAtRunTime = `
globalThis.save = async () => {}
globalThis.warn = async () => {}
`

/** A folder outside the workspace that can import everything the workspace and its examples have installed. */
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scrapenest-docs-'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  await writeFile(join(folder, 'readers-own.d.ts'), readersOwn)
  await writeFile(join(folder, 'readers-own.js'), readersOwnAtRunTime)
  const examples = await readdir(join(repository, 'examples'))
  const installed = ['test', '.', ...examples.map((name) => join('examples', name))]
  for (const place of installed) await linkAll(join(repository, place, 'node_modules'), join(folder, 'node_modules'))
  for (const block of programs) {
    await writeFile(join(folder, fileOf(block)), block.code)
    const [, ownName] = /^\/\/ ([\w-]+\.ts)\n/.exec(block.code) ?? []
    // The files of one program import each other by the names in their first lines.
    if (ownName !== undefined) await writeFile(join(folder, ownName), block.code)
  }
  // Packing also builds the packages. A second compiler would write the same files at the same time.
  await oncePerRun('packed', inject('runFolder'), packAll)
}, 120_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('the code of the pages', () => {
  it('compiles, with strict types and exact optional properties', async () => {
    const compilerOptions = {
      target: 'es2023',
      module: 'nodenext',
      moduleDetection: 'force',
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
      // Blocks import each other with their extension, as Node requires.
      allowImportingTsExtensions: true,
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
    const compiler = join(repository, 'node_modules/typescript/bin/tsc')
    const { stdout } = await run(process.execPath, [compiler, '-p', folder]).catch((error) => error)

    expect(programs.length).toBeGreaterThan(40)
    // A diagnostic begins with the page and the line at which the block begins.
    expect(stdout).toBe('')
  }, 120_000)

  it.each(servers.map((block) => [placeOf(block), block] as const))(
    'is a server that accepts a signed delivery and rejects a forged one: %s',
    async (_place, block) => {
      const secret = generateSecret()
      const file = join(folder, `running-${fileOf(block)}`)
      const server = await startServer(async (port) => {
        await writeFile(file, block.code.replaceAll('3000', String(port)))
        return {
          program: process.execPath,
          arguments: ['--import', './readers-own.js', file],
          workingDirectory: folder,
          environment: { ...process.env, SCRAPENEST_WEBHOOK_SECRET: secret },
        }
      })
      try {
        const endpoint = `${server.url}/webhooks/scrapenest`
        const genuine = await deliver(endpoint, signDelivery(createEvent('job.completed'), { secret }))
        const forged = await deliver(endpoint, signDelivery(createEvent('job.completed'), { secret: generateSecret() }))
        expect([genuine.status, genuine.reply]).toEqual([202, { status: 'accepted' }])
        expect([forged.status, forged.reply]).toEqual([400, { error: 'signature_mismatch' }])
      } finally {
        await server.stop()
      }
    },
  )

  it.concurrent.each(tests.map((block) => [placeOf(block), block] as const))(
    'is a test that passes: %s',
    async (_place, block) => {
      // With this variable, node --test assumes a parent runner and prints no report.
      const { NODE_TEST_CONTEXT: _, ...env } = process.env
      const { stdout } = await run(process.execPath, ['--test-reporter=tap', fileOf(block)], { cwd: folder, env })
      expect(stdout).toMatch(/^# pass [1-9]/m)
      expect(stdout).toMatch(/^# fail 0$/m)
    },
    60_000,
  )

  it.each(excerpts.map((block) => [placeOf(block), block] as const))(
    'is an excerpt of the example that it names: %s',
    async (_place, block) => {
      const [, ...lines] = block.code.split('\n')
      expect(flat(await readPage(sourceOf(block) as string))).toContain(flat(lines.join('\n')))
    },
  )

  it("is the same in every framework's first program, except for the framework's own lines", async () => {
    const first = programs.filter(isFirstProgram)
    const options = first.map(({ code }) => /^ {2}secret:[\s\S]*?^ {2}\},$/m.exec(code)?.[0])

    expect(first.map(({ page }) => page)).toEqual(['README.md', ...Array(5).fill('docs/guides/frameworks.md')])
    expect(options[0]).toContain("'artifact.ready'")
    expect(new Set(options).size).toBe(1)
    for (const { code } of first) expect(code.split('\n').filter(Boolean).length).toBeLessThanOrEqual(13)
  })

  it('declares everything that it calls, in the README', () => {
    const readme = programs.filter(({ page }) => page === 'README.md').map(({ code }) => code)
    const names = [...readersOwn.matchAll(/function (\w+)/g)].map(([, name]) => name)

    expect(names).toContain('save')
    for (const code of readme) expect(code).not.toMatch(new RegExp(`\\b(?:${names.join('|')})\\(`))
  })
})

describe('the commands of the pages', () => {
  const commands = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap((block) =>
      block.code
        .trim()
        .split('\n')
        .map((command) => [command, placeOf(block)] as const),
    )

  it('begin, in the README, with the demo and the tests', async () => {
    const { code } = blocks.find(({ page, language }) => page === 'README.md' && language === 'sh') as CodeBlock
    expect(code).toBe(`${pnpmCommand('demo')}\n${pnpmCommand('test')}\n`)
  })

  it.each(commands)('exist: %s (%s)', async (command) => {
    const catalog = await readPage('pnpm-workspace.yaml')
    const [, installed] = /^npm install (?:--save-dev )?(.+)$/.exec(command) ?? []
    const [, example] =
      /^SCRAPENEST_WEBHOOK_SECRET=whsec_\$\(openssl rand -base64 24\) npx -y pnpm@[\d.]+ --filter \.\/(examples\/[\w-]+) start$/.exec(
        command,
      ) ?? []
    if (installed !== undefined) {
      for (const name of installed.split(' ')) expect(isPackage(name, catalog), name).toBe(true)
    } else if (example !== undefined) {
      expect(existsSync(join(repository, example, 'server.ts'))).toBe(true)
    } else {
      await expectScript(command)
    }
  })
})

describe('CI', () => {
  it("runs the README's test command", async () => {
    expect(await readPage('.ci/run')).toMatch(new RegExp(`^${pnpmCommand('check')}$`, 'm'))
    expect(await readPage('scripts/check.ts')).toContain("test: 'test',")
  })
})

/** Expects a script of the workspace, with options that its program accepts. */
async function expectScript(command: string): Promise<void> {
  const { scripts } = JSON.parse(await readPage('package.json'))
  const [, script = '', options = ''] = /^npx -y pnpm@[\d.]+ ([\w:]+)((?: [\w.-]+)*)$/.exec(command) ?? []
  expect(['install', ...Object.keys(scripts)]).toContain(script)
  const [, file = ''] = /(\S+\.ts)$/.exec(scripts[script] ?? '') ?? []
  for (const [, option] of options.matchAll(/--(\w+)/g)) expect(await readPage(file)).toContain(`${option}:`)
}

/** Whether it is an existing package of ours, or a framework in the catalog. */
function isPackage(name: string, catalog: string): boolean {
  const [, own] = /^@scrapenest-webhooks\/(.+)$/.exec(name) ?? []
  return own === undefined
    ? new RegExp(`^ {2}${name}: \\d`, 'm').test(catalog)
    : existsSync(join(repository, 'packages', own, 'package.json'))
}

/** The file that an excerpt names in its first line. The tests of the examples run it. */
function sourceOf({ code }: CodeBlock): string | undefined {
  return /^\/\/ from (examples\/\S+)\n/.exec(code)?.[1]
}

/** Removes the indentation, which differs between an excerpt and its file. */
function flat(code: string): string {
  return code.replaceAll(/^ +/gm, '')
}

function placeOf({ page, line }: CodeBlock): string {
  return `${page}:${line}`
}

/** A file name that makes compiler messages point to the page and line. */
function fileOf({ page, line, language }: CodeBlock): string {
  return `${page.replaceAll('/', '__')}-line-${line}.${language}`
}

/** Links every package of one node_modules into another, scoped ones one by one. Keeps existing ones. */
async function linkAll(from: string, to: string): Promise<void> {
  if (!existsSync(from)) return
  await mkdir(to, { recursive: true })
  for (const name of await readdir(from)) {
    if (name.startsWith('@')) await linkAll(join(from, name), join(to, name))
    else if (!name.startsWith('.') && !existsSync(join(to, name))) await symlink(join(from, name), join(to, name))
  }
}
