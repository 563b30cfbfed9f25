import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readPublicApi } from '../../scripts/reference/public-api.ts'
import { bumpsOf, snapshotOf, unannouncedChanges } from '../../scripts/reference/released-api.ts'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

const current = snapshotOf(await readPublicApi())
const core = '@scrapenest-webhooks/core'
const before1 = { isStable: false }
const announcing = (bump: string) => bumpsOf([`---\n"${core}": ${bump}\n---\n\nSay why.\n`])
const { verify: _removed, ...withoutVerify } = current[core] as Record<string, string>
const withVerifyRemoved = { ...current, [core]: withoutVerify }

describe('a change of the public API since the last release', () => {
  it('needs a changeset, in this repository', async () => {
    const released = '.changeset/released-api.json'
    // Before the first release there is nothing to compare with.
    const last = existsSync(join(repository, released)) ? JSON.parse(await readPage(released)) : current
    const names = (await readdir(join(repository, '.changeset'))).filter((name) => /^(?!README).+\.md$/.test(name))
    const bumps = bumpsOf(await Promise.all(names.map((name) => readPage(`.changeset/${name}`))))
    const { version } = JSON.parse(await readPage('packages/core/package.json'))

    expect(unannouncedChanges(last, current, { bumps, isStable: !version.startsWith('0.') })).toEqual([])
  })

  it('fails for a removed export without a changeset, or with one that promises a fix', () => {
    const problem = `${core}: verify was removed, and no changeset announces it`
    expect(unannouncedChanges(current, withVerifyRemoved, { bumps: new Map(), ...before1 })).toEqual([problem])
    expect(unannouncedChanges(current, withVerifyRemoved, { bumps: announcing('patch'), ...before1 })).toEqual([
      problem,
    ])
  })

  it('allows a removed export with a minor version before 1.0, and a major one from then on', () => {
    expect(unannouncedChanges(current, withVerifyRemoved, { bumps: announcing('minor'), ...before1 })).toEqual([])
    expect(unannouncedChanges(current, withVerifyRemoved, { bumps: announcing('minor'), isStable: true })).toHaveLength(
      1,
    )
    expect(unannouncedChanges(current, withVerifyRemoved, { bumps: announcing('major'), isStable: true })).toEqual([])
  })

  it('allows a new export with any changeset of its package', () => {
    expect(unannouncedChanges(withVerifyRemoved, current, { bumps: new Map(), ...before1 })).toEqual([
      `${core}: verify was added, and no changeset announces it`,
    ])
    expect(unannouncedChanges(withVerifyRemoved, current, { bumps: announcing('patch'), ...before1 })).toEqual([])
  })

  it('is announced by a changeset with the line ends of Windows, which changesets accepts too', () => {
    expect([...bumpsOf([`---\r\n"${core}": minor\r\n---\r\n\r\nSay why.\r\n`])]).toEqual([[core, 'minor']])
  })

  it('is one of the declaration, not of its docstrings', () => {
    const declaration = current[core]?.['VerifyOptions'] ?? ''
    expect(declaration).toContain('readonly toleranceSeconds?: number')
    expect(declaration).not.toContain('/**')
    const changed = { ...current, [core]: { ...current[core], VerifyOptions: declaration.replace('number', 'string') } }
    expect(unannouncedChanges(current, changed, { bumps: new Map(), ...before1 })).toEqual([
      `${core}: VerifyOptions was changed, and no changeset announces it`,
    ])
  })
})

describe('the configuration of changesets', () => {
  it('releases all packages together, with one version', async () => {
    const { fixed } = JSON.parse(await readPage('.changeset/config.json'))
    const packages = (await readdir(join(repository, 'packages'))).map((name) => `@scrapenest-webhooks/${name}`)

    expect(fixed).toEqual([packages.sort()])
  })
})
