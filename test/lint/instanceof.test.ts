import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The allowed uses of `instanceof` with a class that is not ours. `instanceof` does not recognize an Error, Uint8Array, Date or
 * URL from another realm (Jest, jsdom, `node:vm`). Use `types` from `node:util`, `ArrayBuffer.isView`, `messageOf` from
 * `core/adapter`, or check a field.
 */
const allowed: Readonly<Record<string, string>> = {
  'packages/cli/src/terminal/report-failure.ts CommanderError':
    'Commander throws it inside the CLI, a process with one realm.',
  'packages/client/src/download/public-address.ts ipaddr.IPv4': 'Our ipaddr.js has just parsed the address.',
  'packages/core/src/verify/verify.ts Uint8Array': 'It detects bytes of another realm in order to convert them.',
  'packages/node/src/read-body.ts IncomingMessage':
    'Realms share the classes of node:http, and an imitated request must not match.',
}

/** The classes after `instanceof` that a file neither declares nor imports from this repository. */
function foreignClasses(file: string): string[] {
  const source = readFileSync(`${root}${file}`, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const names = [...source.matchAll(/\binstanceof\s+([\w.]+)/g)].map(([, name]) => name as string)
  return names.filter((name) => {
    const isDeclared = new RegExp(`\\bclass ${name}\\b`).test(source)
    const isImported = new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from '(?:\\.|@scrapenest-webhooks/)`).test(
      source,
    )
    return !isDeclared && !isImported
  })
}

it('instanceof is used only with our own classes, apart from the listed exceptions', () => {
  const files = globSync('packages/*/src/**/*.ts', { cwd: root })
  expect(files.length).toBeGreaterThan(100)
  const found = files.flatMap((file) => foreignClasses(file).map((name) => `${file} ${name}`))
  expect([...new Set(found)].sort()).toEqual(Object.keys(allowed).sort())
})
