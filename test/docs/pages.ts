import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repository } from './code-blocks.ts'

/** Every page of documentation, relative to the repository. */
export async function allPages(): Promise<readonly string[]> {
  const patterns = ['*.md', 'packages/*/*.md', 'examples/*.md', 'examples/*/*.md', 'docs/**/*.md']
  const pages: string[] = []
  for await (const page of glob(patterns, { cwd: repository, exclude: (name) => name === 'node_modules' }))
    pages.push(page)
  return pages.sort()
}

export async function readPage(page: string): Promise<string> {
  return await readFile(join(repository, page), 'utf8')
}
