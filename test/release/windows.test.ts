import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { repository } from '../docs/code-blocks.ts'
import { readPage } from '../docs/pages.ts'

/** What git would commit now. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: repository })
  .toString()
  .trim()
  .split('\n')

it('no script starts npm, npx or a file of node_modules/.bin without scripts/start.ts: on Windows they are batch files', async () => {
  const found: string[] = []
  for (const file of files.filter((one) => /^(?:scripts|test|bench|examples)\/.*\.ts$/.test(one))) {
    if (file === 'test/release/windows.test.ts') continue
    const lines = (await readPage(file)).split('\n')
    const starts = lines.filter((line) => /\b(?:spawn|exec)\w*\(\s*'(?:npm|npx|pnpm)'|\/\.bin\//.test(line))
    found.push(...starts.map((line) => `${file}: ${line.trim()}`))
  }
  expect(found).toEqual([])
})

it('every file has a name that Windows and a file system without case allow', () => {
  const impossible = files.filter((file) =>
    file.split('/').some((part) => /[<>:"|?*\\]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i.test(part)),
  )
  expect(impossible).toEqual([])
  expect(new Set(files.map((file) => file.toLowerCase())).size).toBe(files.length)
})
