import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { pnpmVersion } from '../../scripts/pnpm.ts'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

/** Every text file of the repository, except the lockfile and changelogs. */
function textFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: repository })
  const others = /^pnpm-lock\.yaml$|CHANGELOG\.md$|\.(?:png|db)$/
  const files = listed.toString().trim().split('\n')
  return files.filter((file) => !others.test(file) && existsSync(join(repository, file)))
}

it('every mention of pnpm has the same version', async () => {
  const mentions: string[] = []
  for (const file of textFiles()) {
    for (const [, version] of (await readPage(file)).matchAll(/\bpnpm@(\d[\w.-]*|latest)/g)) {
      mentions.push(`${file}: ${version}`)
    }
  }
  expect(mentions.filter((mention) => !mention.endsWith(`: ${pnpmVersion}`))).toEqual([])
  for (const file of ['README.md', 'CONTRIBUTING.md', '.ci/run']) {
    expect(mentions).toContain(`${file}: ${pnpmVersion}`)
  }
})

it('no package.json has a packageManager field, which breaks pnpm 12', async () => {
  const manifests = textFiles().filter((file) => file.endsWith('package.json'))
  expect(manifests.length).toBeGreaterThan(12)
  for (const manifest of manifests)
    expect(JSON.parse(await readPage(manifest)), manifest).not.toHaveProperty('packageManager')
})

it('scripts, version managers and the lockfile agree on one Node', async () => {
  const workspace = await readPage('pnpm-workspace.yaml')
  const [, version = ''] = /^ {2}node: ([\d.]+)/m.exec(workspace) ?? []
  expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  expect(workspace).toContain(`\nnodeVersion: ${version}\n`)
  expect(await readPage('.nvmrc')).toBe(`${version}\n`)
})
