import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Edit, Patch } from './device.ts'

const packages = fileURLToPath(new URL('../../packages/', import.meta.url))
const copied = ['core', 'node', 'fastify'] as const
const links = { core: [], node: ['raw-body'], fastify: ['fastify-plugin'] } as const

/** Copies the sources of the packages a Fastify server consists of into a folder, and changes the copy. */
export function createVariant(folder: string, { edits, module }: Patch): void {
  for (const name of copied) {
    const [from, to] = [join(packages, name), join(folder, name)]
    cpSync(join(from, 'src'), join(to, 'src'), { recursive: true })
    cpSync(join(from, 'package.json'), join(to, 'package.json'))
    mkdirSync(join(to, 'node_modules', '@scrapenest-webhooks'), { recursive: true })
    for (const other of copied) symlinkSync(join(folder, other), join(to, 'node_modules/@scrapenest-webhooks', other))
    for (const link of links[name])
      symlinkSync(realpathSync(join(from, 'node_modules', link)), join(to, 'node_modules', link))
  }
  if (module !== undefined) cpSync(new URL(module, import.meta.url), join(folder, 'core/src/device.ts'))
  for (const edit of edits) applyEdit(folder, edit)
}

function applyEdit(folder: string, { file, from, through, to, imports }: Edit): void {
  const path = join(folder, file)
  const source = readFileSync(path, 'utf8')
  const end = through === undefined ? '' : `[^]*?${patternOf(through)}`
  const passage = new RegExp(patternOf(from) + end, 'g')
  const count = [...source.matchAll(passage)].length
  if (count !== 1) throw new Error(`The patch does not apply: expected once, found ${count} times in ${file}: ${from}`)
  const edited = source.replace(passage, () => to)
  writeFileSync(path, imports === undefined ? edited : `import { ${imports} } from '../device.ts'\n${edited}`)
}

/** Matches a text whatever its whitespace is. */
function patternOf(text: string): string {
  const words = text.trim().split(/\s+/)
  return words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('\\s+')
}
