import { type CodeBlock, codeBlocksOf, isFirstProgram, isServer } from '../docs/code-blocks.ts'

/** The TypeScript that users copy from the README and from the page on other frameworks. */
export async function readmeBlocks(): Promise<readonly CodeBlock[]> {
  const blocks = await Promise.all(['README.md', 'docs/guides/frameworks.md'].map(codeBlocksOf))
  return blocks.flat().filter(({ language }) => language === 'ts')
}

/** The first server for a package: a complete program that listens on port 3000. */
export async function readmeServer(packageName: string): Promise<string> {
  const blocks = (await readmeBlocks()).filter((block) => isServer(block) && isFirstProgram(block))
  const block = blocks.find(({ code }) => code.includes(`'@scrapenest-webhooks/${packageName}'`))
  if (block === undefined) throw new Error(`No page has a first server with ${packageName}.`)
  return block.code
}

/** The fetch handler, followed by a sender that prints its reply. */
export async function readmeFetchHandler(): Promise<string> {
  const block = (await readmeBlocks()).find(({ code }) => code.includes('export const POST'))
  if (block === undefined) throw new Error('No page has a fetch handler.')
  return `${block.code.replace('export const POST', 'const POST')}
import { createEvent, signDelivery } from '@scrapenest-webhooks/testing'

async function send() {
  const delivery = signDelivery(createEvent('job.completed'), { secret: process.env.SCRAPENEST_WEBHOOK_SECRET })
  const response = await POST(new Request('http://localhost/webhooks/scrapenest', delivery))
  console.log(response.status, await response.text())
}
send()
`
}

/** The same program as CommonJS. */
export function asCommonJs(code: string): string {
  const required = code.replace(/^import (\{[^}]*\}|\w+) from ('[^']+')$/gm, 'const $1 = require($2)')
  if (/^import /m.test(required)) throw new Error(`Cannot turn an import into require:\n${required}`)
  return withoutTopLevelAwait(required)
}

export function withoutTopLevelAwait(code: string): string {
  return code.replace(/^await /gm, 'void ')
}
