import type { PublicApi } from './public-api.ts'

/** By specifier and name, the declaration without its docstrings. */
export type ApiSnapshot = Readonly<Record<string, Readonly<Record<string, string>>>>

export function snapshotOf({ packages }: PublicApi): ApiSnapshot {
  const entryPoints = [...packages.values()].flat()
  return Object.fromEntries(
    entryPoints.map(({ specifier, exports, reexports }) => {
      const own = exports.map(({ name, declaration }) => [name, withoutComments(declaration)] as const)
      const others = [...reexports].flatMap(([from, names]) => names.map((name) => [name, `from ${from}`] as const))
      return [specifier, Object.fromEntries([...own, ...others])]
    }),
  )
}

function withoutComments(declaration: string): string {
  return declaration.replaceAll(/\/\*\*[\s\S]*?\*\//g, '').replaceAll(/\s+/g, ' ')
}

/** What a pending changeset says: the bump of each package. */
export type PendingBumps = ReadonlyMap<string, 'patch' | 'minor' | 'major'>

/**
 * The changes of the API since the last release that no pending changeset announces. A removed or changed export needs
 * `minor` while the version begins with 0, and `major` from then on; a new one needs any.
 */
export function unannouncedChanges(
  released: ApiSnapshot,
  current: ApiSnapshot,
  { bumps, isStable }: { readonly bumps: PendingBumps; readonly isStable: boolean },
): readonly string[] {
  const breaking = isStable ? ['major'] : ['major', 'minor']
  return changesBetween(released, current)
    .filter(({ specifier, change }) => {
      const bump = bumps.get(specifier.split('/').slice(0, 2).join('/'))
      return change === 'added' ? bump === undefined : bump === undefined || !breaking.includes(bump)
    })
    .map(({ specifier, name, change }) => `${specifier}: ${name} was ${change}, and no changeset announces it`)
}

interface Change {
  readonly specifier: string
  readonly name: string
  readonly change: 'added' | 'changed' | 'removed'
}

function changesBetween(released: ApiSnapshot, current: ApiSnapshot): readonly Change[] {
  const specifiers = new Set([...Object.keys(released), ...Object.keys(current)])
  return [...specifiers].flatMap((specifier) => {
    const before = released[specifier] ?? {}
    const after = current[specifier] ?? {}
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
      (name) => before[name] !== after[name],
    )
    return names.map((name): Change => {
      if (!Object.hasOwn(before, name)) return { specifier, name, change: 'added' }
      return { specifier, name, change: Object.hasOwn(after, name) ? 'changed' : 'removed' }
    })
  })
}

/** Reads the bumps of changesets, which are Markdown with the packages in front. The largest bump counts. */
export function bumpsOf(changesets: readonly string[]): PendingBumps {
  const order = ['patch', 'minor', 'major'] as const
  const bumps = new Map<string, 'patch' | 'minor' | 'major'>()
  for (const text of changesets) {
    const [, front = ''] = /^---\n([\s\S]*?)\n---/.exec(text.replaceAll('\r\n', '\n')) ?? []
    for (const [, name = '', bump] of front.matchAll(/^["']?(@[\w/-]+)["']?: (patch|minor|major)$/gm)) {
      const larger = Math.max(order.indexOf(bump as 'patch'), order.indexOf(bumps.get(name) ?? 'patch'))
      bumps.set(name, order[larger] as 'patch')
    }
  }
  return bumps
}
