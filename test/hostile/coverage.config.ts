import { defineConfig, mergeConfig } from 'vitest/config'
import { workspace } from '../../vitest.config.ts'

/** Core's own tests must cover every line and every branch of core. */
export default mergeConfig(
  workspace,
  defineConfig({
    test: {
      coverage: {
        provider: 'v8',
        include: ['packages/core/src/**'],
        reporter: ['text'],
        thresholds: { lines: 100, branches: 100, functions: 100, statements: 100 },
      },
    },
  }),
)
