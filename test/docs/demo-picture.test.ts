import { expect, it } from 'vitest'
import { drawDemo } from '../../scripts/demo-picture.ts'
import { readPage } from './pages.ts'

it('docs/demo.svg shows the output of the demo (redraw it with `pnpm demo:picture`)', async () => {
  expect(await drawDemo()).toBe(await readPage('docs/demo.svg'))
}, 120_000)
