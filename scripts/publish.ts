// `pnpm publish-packages [--tag canary]`: builds and packs every package, and publishes with npm what the registry does not have.
// In a workflow that npm trusts, npm signs in with the workflow's identity, and adds provenance.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pnpmCommand } from './pnpm.ts'

const repository = join(import.meta.dirname, '..')
const { values } = parseArgs({ options: { tag: { type: 'string', default: 'latest' } } })
/** GitHub sets it for jobs with `id-token: write`. Anywhere else, npm cannot make provenance. */
const isTrusted = process.env['ACTIONS_ID_TOKEN_REQUEST_URL'] !== undefined

runInShell(pnpmCommand('build'))
const tarballs = mkdtempSync(join(tmpdir(), 'scrapenest-publish-'))
try {
  runInShell(pnpmCommand(`--filter "./packages/*" pack --pack-destination ${tarballs}`))
  for (const name of readdirSync(join(repository, 'packages'))) publish(name)
} finally {
  rmSync(tarballs, { recursive: true, force: true })
}

function publish(name: string): void {
  const manifest = readFileSync(join(repository, 'packages', name, 'package.json'), 'utf8')
  const { name: fullName, version } = JSON.parse(manifest) as { readonly name: string; readonly version: string }
  if (isPublished(`${fullName}@${version}`)) {
    console.log(`${fullName}@${version} is published already`)
    return
  }
  const tarball = join(tarballs, `${fullName.slice(1).replace('/', '-')}-${version}.tgz`)
  runInShell(`npm publish ${tarball} --access public --tag ${values.tag}${isTrusted ? ' --provenance' : ''}`)
}

function isPublished(specifier: string): boolean {
  const { status, stdout, stderr } = spawnSync(`npm view ${specifier} version --json`, {
    shell: true,
    encoding: 'utf8',
  })
  if (status === 0) return stdout.trim() !== ''
  if (stdout.includes('E404')) return false
  throw new Error(`npm cannot say whether ${specifier} is published:\n${stdout}${stderr}`)
}

/** Through a shell, because npm and npx are batch files on Windows. No part of a command is from outside the repository. */
function runInShell(command: string): void {
  execFileSync(command, { shell: true, cwd: repository, stdio: 'inherit' })
}
