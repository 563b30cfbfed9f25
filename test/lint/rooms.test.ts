import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const biome = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'))

interface Rooms {
  /** Imports that the file's room forbids. */
  readonly refused: readonly (readonly [file: string, path: string])[]
  /** Imports that the file's room allows. */
  readonly allowed: readonly (readonly [file: string, path: string])[]
  /** The room in which an import cycle is created. */
  readonly circleIn: string
}

const packages: Readonly<Record<string, Rooms>> = {
  core: {
    refused: [
      ['verify/a.ts', '../report/reporter.ts'],
      ['verify/b.ts', '../handle/claim.ts'],
      ['verify/c.ts', '../receive/receiver.ts'],
      ['verify/d.ts', 'zod'],
      ['verify/e.ts', '@scrapenest-webhooks/node'],
      ['report/a.ts', '../handle/claim.ts'],
      ['report/b.ts', '../receive/reply.ts'],
      ['handle/a.ts', '../receive/request.ts'],
      ['receive/a.ts', '../index.ts'],
      ['receive/b.ts', '../fetch.ts'],
      ['a.ts', 'raw-body'],
      ['b.ts', '@scrapenest-webhooks/testing'],
      ['check.ts', './verify/secret.ts'],
      ['events.ts', './verify/secret.ts'],
    ],
    allowed: [
      ['verify/f.ts', '../errors.ts'],
      ['verify/g.ts', './secret.ts'],
      ['verify/h.ts', 'node:crypto'],
      ['report/c.ts', '../verify/headers.ts'],
      ['handle/b.ts', '../report/reporter.ts'],
      ['receive/c.ts', '../handle/claim.ts'],
      ['c.ts', './receive/receiver.ts'],
    ],
    circleIn: 'receive',
  },
  client: {
    refused: [
      ['errors.ts', './request/pause.ts'],
      ['errors.ts', '@scrapenest-webhooks/core'],
      ['request/a.ts', '../api/connection.ts'],
      ['request/b.ts', '../download/download.ts'],
      ['request/c.ts', 'undici'],
      ['api/a.ts', '../download/artifacts.ts'],
      ['api/b.ts', '../client.ts'],
      ['api/c.ts', 'undici'],
      ['download/a.ts', '../index.ts'],
      ['download/b.ts', '@scrapenest-webhooks/simulator'],
      ['download/c.ts', '@scrapenest-webhooks/core/src/errors.ts'],
      ['a.ts', 'undici'],
    ],
    allowed: [
      ['request/d.ts', '../errors.ts'],
      ['request/e.ts', 'node:timers/promises'],
      ['api/d.ts', '../request/pause.ts'],
      ['api/e.ts', './connection.ts'],
      ['api/f.ts', '../errors.ts'],
      ['download/d.ts', '../api/jobs.ts'],
      ['download/e.ts', '../request/pause.ts'],
      ['download/f.ts', '@scrapenest-webhooks/core'],
      ['download/g.ts', '@scrapenest-webhooks/core/adapter'],
      ['b.ts', './download/artifacts.ts'],
    ],
    circleIn: 'download',
  },
  simulator: {
    refused: [
      ['delivery/a.ts', '../jobs/jobs.ts'],
      ['delivery/b.ts', '../api/request.ts'],
      ['delivery/c.ts', '../options.ts'],
      ['jobs/a.ts', '../delivery/sender.ts'],
      ['jobs/b.ts', '../api/request.ts'],
      ['jobs/c.ts', 'undici'],
      ['api/a.ts', '../simulator.ts'],
      ['api/b.ts', '@scrapenest-webhooks/client'],
      ['a.ts', '@scrapenest-webhooks/testing'],
      ['timers.ts', './delivery/sender.ts'],
      ['local-address.ts', '@scrapenest-webhooks/core'],
    ],
    allowed: [
      ['delivery/d.ts', '../timers.ts'],
      ['delivery/e.ts', 'node:timers/promises'],
      ['jobs/d.ts', '../local-address.ts'],
      ['jobs/e.ts', './job.ts'],
      ['jobs/f.ts', 'htmlparser2'],
      ['api/c.ts', '../delivery/endpoint.ts'],
      ['api/d.ts', '../jobs/jobs.ts'],
      ['b.ts', './api/server.ts'],
      ['c.ts', '@scrapenest-webhooks/core/adapter'],
    ],
    circleIn: 'jobs',
  },
  cli: {
    refused: [
      ['doctor/a.ts', '../terminal/print.ts'],
      ['doctor/b.ts', '../commands/doctor.ts'],
      ['inbox/a.ts', '../verify/judge.ts'],
      ['commands/e.ts', '@scrapenest-webhooks/inbox-bullmq'],
      ['mask-download-urls.ts', './terminal/print.ts'],
      ['trigger/a.ts', 'commander'],
      ['verify/a.ts', '../terminal/print.ts'],
      ['terminal/a.ts', '../commands/doctor.ts'],
      ['terminal/b.ts', '@scrapenest-webhooks/core'],
      ['commands/a.ts', '../program.ts'],
      ['commands/b.ts', '@scrapenest-webhooks/testing'],
      ['a.ts', '@scrapenest-webhooks/fastify'],
      ['exit-codes.ts', './terminal/print.ts'],
      ['usage-error.ts', 'commander'],
      ['commands/f.ts', 'fast-wrap-ansi'],
    ],
    allowed: [
      ['doctor/c.ts', '@scrapenest-webhooks/core'],
      ['inbox/b.ts', '../usage-error.ts'],
      ['inbox/c.ts', '@scrapenest-webhooks/inbox-pg-boss'],
      ['trigger/b.ts', './override.ts'],
      ['verify/b.ts', 'node:stream/consumers'],
      ['terminal/c.ts', '../exit-codes.ts'],
      ['terminal/d.ts', 'commander'],
      ['terminal/e.ts', 'fast-wrap-ansi'],
      ['commands/c.ts', '../doctor/diagnose.ts'],
      ['commands/d.ts', '../terminal/print.ts'],
      ['b.ts', './commands/doctor.ts'],
    ],
    circleIn: 'doctor',
  },
  inbox: {
    refused: [
      ['contract.ts', './store/filters.ts'],
      ['event-store.ts', './worker/ending.ts'],
      ['worker/a.ts', '../store/stored-inbox.ts'],
      ['worker/b.ts', '../sqlite/store.ts'],
      ['worker/c.ts', '../index.ts'],
      ['store/a.ts', '../sqlite/store.ts'],
      ['store/b.ts', '../kit.ts'],
      ['sqlite/a.ts', '../worker/attempts.ts'],
      ['sqlite/b.ts', 'better-sqlite3'],
      ['a.ts', '@scrapenest-webhooks/testing'],
    ],
    allowed: [
      ['worker/d.ts', '../event-store.ts'],
      ['worker/e.ts', './ending.ts'],
      ['store/c.ts', '../worker/work-loop.ts'],
      ['sqlite/c.ts', '../store/event-json.ts'],
      ['sqlite/d.ts', 'node:timers/promises'],
      ['sqlite/e.ts', '@scrapenest-webhooks/core/adapter'],
      ['b.ts', './sqlite/store.ts'],
    ],
    circleIn: 'worker',
  },
  'inbox-bullmq': {
    refused: [
      ['redis/a.ts', '../jobs/job-data.ts'],
      ['redis/b.ts', '../queue-inbox.ts'],
      ['jobs/a.ts', '../queue-worker.ts'],
      ['jobs/b.ts', '@scrapenest-webhooks/inbox-pg-boss'],
    ],
    allowed: [
      ['redis/c.ts', 'bullmq'],
      ['jobs/c.ts', '../redis/queues.ts'],
      ['jobs/d.ts', '@scrapenest-webhooks/inbox/kit'],
      ['a.ts', './jobs/job-data.ts'],
    ],
    circleIn: 'jobs',
  },
  'inbox-pg-boss': {
    refused: [
      ['jobs/a.ts', '../boss.ts'],
      ['jobs/b.ts', 'pg'],
    ],
    allowed: [
      ['jobs/c.ts', 'pg-boss'],
      ['a.ts', './jobs/job-rows.ts'],
    ],
    circleIn: 'jobs',
  },
}

describe.each(Object.entries(packages))(
  'the linter of this repository, in %s',
  (name, { refused, allowed, circleIn }) => {
    const folder = mkdtempSync(join(tmpdir(), 'rooms-'))
    const source = join(folder, 'packages', name, 'src')
    let findings: readonly Finding[] = []

    beforeAll(() => {
      cpSync(join(root, 'packages', name, 'src'), source, { recursive: true })
      for (const [file, path] of [...refused, ...allowed]) {
        writeFileSync(
          join(source, file),
          `import { something } from '${path}'\n\nexport const used: unknown = something\n`,
        )
      }
      plantCircle(join(source, circleIn))
      findings = lint(folder).map(({ rule, file }) => ({ rule, file: file.replace(/^.*packages\/[\w-]+\/src\//, '') }))
    })

    afterAll(() => rmSync(folder, { recursive: true }))

    it.each(refused)('rejects in %s an import of %s', (file) => {
      expect(findings).toContainEqual({ rule: 'noRestrictedImports', file })
    })

    it.each(allowed)('allows in %s an import of %s', (file) => {
      expect(findings.filter((finding) => finding.file === file)).toEqual([])
    })

    it('rejects an import cycle, even one of types only', () => {
      expect(findings).toContainEqual({ rule: 'noImportCycles', file: `${circleIn}/circle-one.ts` })
      expect(findings).toContainEqual({ rule: 'noImportCycles', file: `${circleIn}/circle-two.ts` })
    })
  },
)

describe('the linter of this repository, outside the packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rooms-'))
  const places = ['bench', 'bench/devices', 'examples/fastify', 'examples/demo', 'test/hosts', 'packages/core/test']
  let findings: readonly Finding[] = []

  beforeAll(() => {
    for (const place of places) {
      mkdirSync(join(folder, place), { recursive: true })
      plantCircle(join(folder, place))
    }
    findings = lint(folder)
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  it.each(places)('rejects an import cycle in %s, even one of types only', (place) => {
    for (const name of ['circle-one.ts', 'circle-two.ts']) {
      const file = expect.stringMatching(new RegExp(`${place}/${name}$`))
      expect(findings).toContainEqual({ rule: 'noImportCycles', file })
    }
  })
})

function plantCircle(folder: string): void {
  writeFileSync(join(folder, 'circle-one.ts'), "import type { Two } from './circle-two.ts'\n\nexport type One = Two\n")
  writeFileSync(join(folder, 'circle-two.ts'), "import type { One } from './circle-one.ts'\n\nexport type Two = One\n")
}

interface Finding {
  readonly rule: string
  readonly file: string
}

/** Lints a folder with this repository's configuration. */
function lint(folder: string): readonly Finding[] {
  const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
  writeFileSync(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }))
  const options = ['lint', '.', '--reporter=json', '--max-diagnostics=none']
  const { stdout } = spawnSync(process.execPath, [biome, ...options], { cwd: folder, encoding: 'utf8' })
  const report = JSON.parse(stdout) as {
    readonly diagnostics: readonly { readonly category: string; readonly location: { readonly path: unknown } }[]
  }
  return report.diagnostics.map(({ category, location }) => ({
    rule: category.replace(/^lint\/\w+\//, ''),
    // Either a path or an object that contains one.
    file: JSON.stringify(location.path)
      .replace(/^[^/\w]*(?:file":")?/, '')
      .replace(/".*$/, ''),
  }))
}
