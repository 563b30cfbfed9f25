import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { workspace } from '../../vitest.config.ts'

/** Mutants live in a copy of the repository whose node_modules lead back to the original, so core is found by its path. */
const core = fileURLToPath(new URL('../../packages/core/src/', import.meta.url))

/** The tests of core, and those of the defects found in it. A change that none of them detects counts as a survivor. */
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
    // These wait for sockets and timers, and would do so for each mutant.
    exclude: ['test/hostile/regressions/{http2,endless,late,ended}*'],
    testTimeout: 5000,
  },
})
