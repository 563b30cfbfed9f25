import { defineConfig } from 'vitest/config'

// Sources, not builds: each package's exports carry this condition inside the workspace.
const conditions = ['@scrapenest-webhooks/source']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    reporters: ['default', './test/timing/suite-times.ts'],
    // Says in the last lines which engines were missing, and fails for it where nobody reads them.
    globalSetup: ['test/engines/missing-engines.ts', 'test/packaging/once-per-run.ts'],
    // Child processes that the tests start find the sources in the same way.
    env: { NODE_OPTIONS: `--conditions=${conditions[0]}` },
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Vitest would keep one core for itself. Most suites wait for timers and child processes.
    maxWorkers: '100%',
    maxConcurrency: 16,
  },
})
