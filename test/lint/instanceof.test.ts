import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The uses of `instanceof` with a class that is not ours. A value from another realm (Jest, jsdom, `node:vm`) has another
 * Error, Uint8Array, Date or URL, so `instanceof` does not recognize it. Use `types` of `node:util`, `ArrayBuffer.isView`,
 * `messageOf` of `core/adapter`, or check a field.
 */
const allowed: Readonly<Record<string, string>> = {
  'packages/cli/src/terminal/report-failure.ts CommanderError':
    'Commander throws it to the CLI, which is a process of its own.',
  'packages/client/src/download/public-address.ts ipaddr.IPv4':
    'ipaddr.js, which is a dependency, has just parsed the address.',
  'packages/core/src/verify/verify.ts Uint8Array': 'It finds the bytes of another realm, to convert them.',
  'packages/node/src/read-body.ts IncomingMessage':
    'Realms share the classes of node:http, and an imitation of a request must not match.',
}

/** Each class after `instanceof` in a file that the file neither declares nor imports from this repository. */
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

it('instanceof is used with classes of our own only, except where there is a reason', () => {
  const files = globSync('packages/*/src/**/*.ts', { cwd: root })
  expect(files.length).toBeGreaterThan(100)
  const found = files.flatMap((file) => foreignClasses(file).map((name) => `${file} ${name}`))
  expect([...new Set(found)].sort()).toEqual(Object.keys(allowed).sort())
})
