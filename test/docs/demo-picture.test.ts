import { expect, it } from 'vitest'
import { drawDemo } from '../../scripts/demo-picture.ts'
import { readPage } from './pages.ts'

it('docs/demo.svg shows what the demo prints; `node scripts/demo-picture.ts` draws it again', async () => {
  expect(await drawDemo()).toBe(await readPage('docs/demo.svg'))
}, 120_000)
