// `pnpm publish-packages [--tag canary]`: builds and packs every package, and publishes with npm what the registry does not have.
// In a workflow that npm trusts, npm signs in with the workflow's identity, and adds provenance. Run it again after a failure:
// it publishes the rest.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pnpmParameters } from './pnpm.ts'
import { runVisibly, startOf } from './start.ts'

const repository = join(import.meta.dirname, '..')

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { tag: { type: 'string', default: 'latest' } } })
  publishAll(values.tag)
}

function publishAll(tag: string): void {
  const files = readdirSync(join(repository, 'packages')).map((name) =>
    join(repository, 'packages', name, 'package.json'),
  )
  const manifests = files.map((file): Manifest => JSON.parse(readFileSync(file, 'utf8')))
  for (const { version } of manifests) checkTag(version, tag)
  runVisibly('npx', pnpmParameters('build'), repository)
  const tarballs = mkdtempSync(join(tmpdir(), 'scrapenest-publish-'))
  try {
    pack(files, tarballs, tag)
    for (const manifest of dependenciesFirst(manifests)) publish(manifest, tarballs, tag)
  } finally {
    rmSync(tarballs, { recursive: true, force: true })
  }
}

/**
 * `npm install` takes the tag `latest`. A prerelease there would reach everyone, and a release under another tag alone would
 * reach no one, because its version cannot be published a second time.
 *
 * @throws if the version may not be published under the tag.
 */
export function checkTag(version: string, tag: string): void {
  const isPrerelease = version.includes('-')
  if (isPrerelease !== (tag === 'latest')) return
  const fix = isPrerelease
    ? 'Publish it with --tag canary.'
    : 'Only `changeset version --snapshot` makes versions for other tags, and only if a changeset is pending.'
  throw new Error(`${version} cannot be published under the tag ${tag}. ${fix}`)
}

/** Orders packages so that whatever is published at any moment can be installed. */
export function dependenciesFirst(manifests: readonly Manifest[]): readonly Manifest[] {
  const ordered = new Set<Manifest>()
  const add = (manifest: Manifest): void => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    for (const other of manifests) if (names.includes(other.name)) add(other)
    ordered.add(manifest)
  }
  for (const manifest of manifests) add(manifest)
  return [...ordered]
}

/**
 * pnpm writes `workspace:^` as `^0.0.0-canary-1a2b`, which also allows the canary of another commit. Canaries are packed with
 * `workspace:*`, which it writes as that version alone.
 */
function pack(files: readonly string[], destination: string, tag: string): void {
  const before = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]))
  try {
    if (tag !== 'latest') {
      for (const [file, text] of before) writeFileSync(file, text.replaceAll('"workspace:^"', '"workspace:*"'))
    }
    const parameters = pnpmParameters('--filter', './packages/*', 'pack', '--pack-destination', destination)
    runVisibly('npx', parameters, repository)
  } finally {
    for (const [file, text] of before) writeFileSync(file, text)
  }
}

function publish({ name, version }: Manifest, tarballs: string, tag: string): void {
  if (isPublished(`${name}@${version}`)) {
    console.log(`${name}@${version} is published already`)
    return
  }
  const tarball = join(tarballs, `${name.slice(1).replace('/', '-')}-${version}.tgz`)
  /** GitHub sets it for jobs with `id-token: write`. Anywhere else, npm cannot make provenance. */
  const isTrusted = process.env['ACTIONS_ID_TOKEN_REQUEST_URL'] !== undefined
  const provenance = isTrusted ? ['--provenance'] : []
  runVisibly('npm', ['publish', tarball, '--access', 'public', '--tag', tag, ...provenance], repository)
}

function isPublished(specifier: string): boolean {
  const { program, parameters, shell } = startOf('npm', ['view', specifier, 'version', '--json'])
  const { status, stdout, stderr } = spawnSync(program, parameters, { cwd: repository, shell, encoding: 'utf8' })
  if (status === 0) return stdout.trim() !== ''
  if (stdout.includes('E404')) return false
  throw new Error(`npm cannot say whether ${specifier} is published:\n${stdout}${stderr}`)
}
