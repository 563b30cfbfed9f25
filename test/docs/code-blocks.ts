import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const repository: string = join(import.meta.dirname, '../..')

/** A fenced code block of a Markdown page. */
export interface CodeBlock {
  /** Relative to the repository. */
  readonly page: string
  /** The line at which the code begins, from 1. */
  readonly line: number
  readonly language: string
  readonly code: string
}

export async function codeBlocksOf(page: string): Promise<readonly CodeBlock[]> {
  const blocks: CodeBlock[] = []
  let open: { readonly line: number; readonly language: string; readonly lines: string[] } | undefined
  for (const [index, line] of (await readFile(join(repository, page), 'utf8')).split('\n').entries()) {
    const fence = /^```(\w*)/.exec(line)
    if (open === undefined) {
      if (fence !== null) open = { line: index + 2, language: fence[1] as string, lines: [] }
    } else if (fence !== null) {
      blocks.push({ page, line: open.line, language: open.language, code: `${open.lines.join('\n')}\n` })
      open = undefined
    } else {
      open.lines.push(line)
    }
  }
  if (open !== undefined) throw new Error(`${page}: the block that begins at line ${open.line} is not closed.`)
  return blocks
}

/** Whether a block is a complete program of ours that listens on port 3000. */
export function isServer(block: CodeBlock): boolean {
  return !isRecipe(block) && /\blisten\(.*3000|\bport: 3000/.test(block.code)
}

/** Whether a block is what a reader has before the switch, without our packages. */
export function isRecipe({ code }: CodeBlock): boolean {
  return code.startsWith('// Before\n')
}

/** Whether a block is the first program that a page shows for a framework. */
export function isFirstProgram({ page, code }: CodeBlock): boolean {
  return ['README.md', 'docs/guides/frameworks.md'].includes(page) && code.includes("'job.completed': ({ data })")
}
