import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { workspace } from '../../vitest.config.ts'

/** Stryker mutates a copy of the repository whose node_modules link to the original, so core must be resolved by its path. */
const core = fileURLToPath(new URL('../../packages/core/src/', import.meta.url))

/** The tests of core, and the regression tests of its defects. A mutant that none of them detects survives. */
export default defineConfig({
  ...workspace,
  resolve: {
    ...workspace.resolve,
    alias: [
      { find: /^@scrapenest-webhooks\/core$/, replacement: `${core}index.ts` },
      { find: /^@scrapenest-webhooks\/core\/(.+)$/, replacement: `${core}$1.ts` },
    ],
  },
  test: {
    ...workspace.test,
    include: ['packages/core/test/**/*.test.ts', 'test/hostile/regressions/**/*.test.ts', 'test/vectors/*.test.ts'],
    // These wait for sockets and timers, which is too slow to repeat for each mutant.
    exclude: ['test/hostile/regressions/{http2,endless,late,ended}*'],
    testTimeout: 5000,
  },
})
