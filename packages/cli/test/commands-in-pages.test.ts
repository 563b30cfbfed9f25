import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../src/program.ts'

const repository = join(import.meta.dirname, '../../..')

/** Every command line in the pages and in the examples of --help. */
async function commandLines(): Promise<readonly (readonly [line: string, place: string])[]> {
  const lines: (readonly [string, string])[] = []
  for await (const page of glob(['*.md', 'docs/**/*.md', 'packages/*/*.md', 'packages/cli/src/**/*.ts'], {
    cwd: repository,
  })) {
    const text = (await readFile(join(repository, page), 'utf8')).replaceAll('\\\n', ' ')
    for (const [, line = ''] of text.matchAll(
      /^ *(?:\$ |command: )?(?:SCRAPENEST_\w+=\S+ )?(?:npx )?(scrapenest-webhooks [a-z-].*?)(?:`,)?$/gm,
    )) {
      lines.push([line, page])
    }
  }
  return lines
}

function withoutActions(command: Command): void {
  for (const child of command.commands) {
    if (child.commands.length === 0) child.action(() => {})
    child.configureOutput({ writeOut() {}, writeErr() {} })
    withoutActions(child)
  }
}

describe('the commands in the pages are valid', async () => {
  const lines = await commandLines()

  it('and found by the search', () => {
    expect(lines.length).toBeGreaterThan(15)
  })

  it.each(lines)('%s (%s)', async (line) => {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '').slice(1)
    const program = createProgram()
    program.configureOutput({ writeOut() {}, writeErr() {} })
    withoutActions(program)
    const failure = await program.parseAsync(words, { from: 'user' }).catch((error: { exitCode: number }) => error)
    expect(failure instanceof Error && 'exitCode' in failure ? failure.exitCode : 0).toBe(0)
  })
})
