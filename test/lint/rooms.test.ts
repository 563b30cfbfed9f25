import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const biome = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'))

/** Files that import what their room may not, and files that import what it may. */
const refused: readonly (readonly [file: string, path: string])[] = [
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
]
const allowed: typeof refused = [
  ['verify/f.ts', '../errors.ts'],
  ['verify/g.ts', './secret.ts'],
  ['verify/h.ts', 'node:crypto'],
  ['report/c.ts', '../verify/headers.ts'],
  ['handle/b.ts', '../report/reporter.ts'],
  ['receive/c.ts', '../handle/claim.ts'],
  ['c.ts', './receive/receiver.ts'],
]

describe('the linter of this repository', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rooms-'))
  const core = join(folder, 'packages/core/src')
  let findings: readonly { readonly rule: string; readonly file: string }[] = []

  beforeAll(() => {
    cpSync(join(root, 'packages/core/src'), core, { recursive: true })
    const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
    writeFileSync(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }))
    for (const [file, path] of [...refused, ...allowed]) {
      writeFileSync(join(core, file), `import { something } from '${path}'\n\nexport const used: unknown = something\n`)
    }
    writeFileSync(
      join(core, 'receive/circle-one.ts'),
      "import type { Two } from './circle-two.ts'\n\nexport type One = Two\n",
    )
    writeFileSync(
      join(core, 'receive/circle-two.ts'),
      "import type { One } from './circle-one.ts'\n\nexport type Two = One\n",
    )
    const options = ['lint', '.', '--reporter=json', '--max-diagnostics=none']
    const { stdout } = spawnSync(process.execPath, [biome, ...options], { cwd: folder, encoding: 'utf8' })
    const report = JSON.parse(stdout) as {
      readonly diagnostics: readonly { readonly category: string; readonly location: { readonly path: unknown } }[]
    }
    findings = report.diagnostics.map(({ category, location }) => ({
      rule: category.replace(/^lint\/\w+\//, ''),
      file: JSON.stringify(location.path)
        .replace(/^.*packages\/core\/src\//, '')
        .replace(/".*$/, ''),
    }))
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  it.each(refused)('refuses an import in core/%s of %s', (file) => {
    expect(findings).toContainEqual({ rule: 'noRestrictedImports', file })
  })

  it.each(allowed)('allows an import in core/%s of %s', (file) => {
    expect(findings.filter((finding) => finding.file === file)).toEqual([])
  })

  it('refuses an import circle, even of types alone', () => {
    expect(findings).toContainEqual({ rule: 'noImportCycles', file: 'receive/circle-one.ts' })
    expect(findings).toContainEqual({ rule: 'noImportCycles', file: 'receive/circle-two.ts' })
  })
})
