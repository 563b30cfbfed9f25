// `pnpm reference [--released]`: writes docs/reference/options.md and docs/reference/api from the sources. `--released` also
// notes the API as that of a release, with which later changes are compared: `pnpm version-packages` does so.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { referencePages } from './reference/pages.ts'
import { readPublicApi } from './reference/public-api.ts'
import { snapshotOf } from './reference/released-api.ts'

const repository = join(import.meta.dirname, '..')
const api = await readPublicApi()
await rm(join(repository, 'docs/reference/api'), { recursive: true, force: true })
for (const [path, text] of referencePages(api)) {
  await mkdir(dirname(join(repository, path)), { recursive: true })
  await writeFile(join(repository, path), text)
}
if (process.argv.includes('--released')) {
  const snapshot = JSON.stringify(snapshotOf(api), undefined, 2)
  await writeFile(join(repository, '.changeset/released-api.json'), `${snapshot}\n`)
}
