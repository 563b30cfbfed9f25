import { optionSections } from './option-sections.ts'
import type { EntryPoint, Option, PublicApi } from './public-api.ts'

const notice = 'Generated from the sources by `pnpm reference`: change the docstrings instead.'

/** Every generated page, by its path in the repository. */
export function referencePages(api: PublicApi): ReadonlyMap<string, string> {
  const pages = new Map<string, string>()
  pages.set('docs/reference/options.md', optionsPage(api))
  for (const [name, entryPoints] of api.packages)
    pages.set(`docs/reference/api/${name}.md`, packagePage(name, entryPoints))
  pages.set('docs/reference/api/README.md', indexPage(api))
  return pages
}

function indexPage(api: PublicApi): string {
  const rows = [...api.packages].flatMap(([name, entryPoints]) =>
    entryPoints.map(({ specifier }) => `- [\`${specifier}\`](${name}.md#${anchorOf(specifier)})`),
  )
  return page('API', [notice, rows.join('\n'), 'What the options mean: [Options](../options.md).'])
}

function packagePage(name: string, entryPoints: readonly EntryPoint[]): string {
  const [main] = entryPoints
  const known = new Set<string>()
  const parts: string[] = []
  for (const { specifier, exports, reexports } of entryPoints) {
    parts.push(`## ${specifier}`)
    const again = exports.filter((one) => known.has(one.name))
    if (again.length > 0) parts.push(`It has the ${again.length} names of \`${main?.specifier}\` too.`)
    for (const [from, names] of reexports) {
      const shown = names.map((one) => (one === '*' ? 'all types' : `\`${one}\``))
      parts.push(`From \`${from}\`: ${shown.join(', ')}.`)
    }
    for (const one of exports) {
      if (known.has(one.name)) continue
      known.add(one.name)
      parts.push(`### ${one.name}`, ...(one.description === '' ? [] : [one.description]), fenced(one.declaration))
    }
  }
  return page(`API of @scrapenest-webhooks/${name}`, [notice, ...parts])
}

function optionsPage(api: PublicApi): string {
  const parts = optionSections.flatMap(({ title, call, specifier, interfaces }) => {
    const options = interfaces.flatMap((one) => api.optionsOf(specifier, one))
    const rows = [...new Map(options.map((option) => [option.name, option])).values()].map(optionRow)
    const table = ['| Option | Type | Meaning | Default |', '| --- | --- | --- | --- |', ...rows].join('\n')
    return [`## ${title}`, `Options of ${call} (\`${specifier}\`).`, table]
  })
  const units =
    'Names carry their unit: `Ms` is milliseconds, `Seconds` is seconds, `Bytes` is bytes. An option without a default is unset. ' +
    'A name that a function does not know is refused with `configuration_invalid`. The command line prints its options with ' +
    '`scrapenest-webhooks <command> --help`.'
  return page('Options', [notice, units, ...parts])
}

function optionRow({ name, type, isRequired, description, default: given }: Option): string {
  const cells = [`\`${name}\``, `\`${cell(type)}\``, cell(description), isRequired ? 'required' : cell(given ?? '')]
  return `| ${cells.join(' | ')} |`
}

function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').replaceAll('|', '\\|')
}

/** Another word than `ts`: these are declarations, not programs to run. */
function fenced(declaration: string): string {
  return `\`\`\`typescript\n${declaration}\n\`\`\``
}

function page(title: string, parts: readonly string[]): string {
  return `${[`# ${title}`, ...parts].join('\n\n')}\n`
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-')
}
