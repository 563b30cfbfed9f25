import { expect, it } from 'vitest'
import { allPages, readPage } from './pages.ts'

/** Pages that have not been rewritten yet. */
const exceptions = [/^docs\/(decisions|reference)\//, /^examples\//, /^packages\/(inbox|inbox-bullmq|inbox-pg-boss)\//]
const pages = (await allPages()).filter((page) => !exceptions.some((exception) => exception.test(page)))

/** Turns of phrase that sound translated, and British spellings: Node's and Fastify's docs are in American English. */
const avoided =
  /\b(?:anew|buried|comes? again|for ever|have a look|mend(?:s|ed)?|nobody|somebody|whoever)\b|\b\w*(?:behaviour|licence|(?:organ|recogn|serial|synchron)is(?:e|ing))\w*/gi

it('there are pages to read', () => {
  expect(pages.length).toBeGreaterThan(45)
})

it.each(pages)('%s says it in plain American English', async (page) => {
  // Code may have to use a name as it is.
  const prose = (await readPage(page)).replaceAll(/^```[\s\S]*?^```|`[^`\n]*`/gm, '')

  expect(prose.match(avoided) ?? []).toEqual([])
})
