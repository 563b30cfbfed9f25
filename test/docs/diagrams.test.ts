import type { InboxState } from '@scrapenest-webhooks/inbox'
import { describe, expect, it } from 'vitest'
import { codeBlocksOf } from './code-blocks.ts'
import { allPages, readPage } from './pages.ts'

// Mermaid's parser needs a browser, so these tests compare the diagrams with the code and do not check the syntax.

const diagrams = (await Promise.all((await allPages()).map(codeBlocksOf)))
  .flat()
  .filter(({ language }) => language === 'mermaid')

function diagramOf(page: string): string {
  const [diagram, ...others] = diagrams.filter((block) => block.page === page)
  if (diagram === undefined || others.length > 0) throw new Error(`Expected one diagram in ${page}.`)
  return diagram.code
}

describe('the diagrams', () => {
  it('show a delivery in every phase, in the order of phases.ts', async () => {
    const source = await readPage('packages/core/src/receive/phases.ts')
    const [, table = ''] = /const phases\b[^{]*\{([\s\S]*?)^\}/m.exec(source) ?? []
    const phases = [...table.matchAll(/^ {2}(\w+): \{/gm)].map(([, phase]) => phase)
    const drawn = [...diagramOf('docs/errors/README.md').matchAll(/<b>(\w+)<\/b>/g)].map(([, phase]) => phase)

    expect(phases.length).toBeGreaterThan(5)
    expect(drawn).toEqual(phases)
  })

  it('show every state of an event, with a way in and a way out', () => {
    const states: Readonly<Record<InboxState, true>> = { ready: true, running: true, done: true, dead: true }
    const arrows = [...diagramOf('docs/guides/inbox.md').matchAll(/^ {2}(\S+) --> (\w+|\[\*\])/gm)]
    const named = (index: 1 | 2): ReadonlySet<string> =>
      new Set(arrows.map((arrow) => arrow[index] as string).filter((name) => name !== '[*]'))

    expect(named(1)).toEqual(new Set(Object.keys(states)))
    expect(named(2)).toEqual(new Set(Object.keys(states)))
  })

  it('name the options that separate web and worker processes', () => {
    const diagram = diagramOf('docs/guides/many-machines.md')

    for (const name of ['processing: false', 'createWorker']) expect(diagram).toContain(name)
  })

  it('are the expected three', () => {
    expect(diagrams).toHaveLength(3)
  })
})
