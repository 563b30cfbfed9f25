import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import workspace from '../../vitest.config.ts'

/** The mutants live in a copy of the repository, whose node_modules lead back to the original: core is found by its path. */
const core = fileURLToPath(new URL('../../packages/core/src/', import.meta.url))

/** The tests of core, and those of the defects found in it: what they do not notice, nothing else is to excuse. */
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
    include: [
      'packages/core/test/**/*.test.ts',
      'test/hostile/{unnoticed-changes,regressions/**/*}.test.ts',
      'test/vectors/*.test.ts',
    ],
    // What waits for sockets and timers would wait again for each mutant.
    exclude: ['test/hostile/regressions/{http2,refused,endless,late,ended}*'],
    testTimeout: 5000,
  },
})
