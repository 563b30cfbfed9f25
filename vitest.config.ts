import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config'
import WaitingFirst from './test/timing/waiting-first.ts'

// Tests import sources, not builds: inside the workspace, each package's exports have this condition.
const conditions = ['@scrapenest-webhooks/source']
const resolution = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
}

const files = ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts']

/**
 * Suites that need the machine to themselves: the one kills a process each second and counts what a stalled process would do
 * twice; in the other, engines must answer dozens of concurrent calls within their time limits.
 */
const alone = ['test/engines/load.test.ts', 'test/engines/suite.test.ts']

const perTest = {
  // Child processes of the tests import sources too.
  env: { NODE_OPTIONS: `--conditions=${conditions[0]}` },
  // Limits, not expectations: a busy machine takes longer.
  expect: { poll: { timeout: 10_000 } },
  testTimeout: 20_000,
  hookTimeout: 60_000,
  maxConcurrency: 16,
}

const perRun = {
  reporters: ['default', './test/timing/suite-times.ts'],
  // The first reports missing engines at the end of the run, and fails the run on CI.
  globalSetup: ['test/engines/missing-engines.ts', 'test/packaging/once-per-run.ts'],
  sequence: { sequencer: WaitingFirst },
  // Vitest's default is one worker fewer than cores, but most suites wait for timers and child processes.
  maxWorkers: availableParallelism() + 1,
}

/** Every test file, for configurations that run a subset. */
export const workspace: ViteUserConfig = { ...resolution, test: { include: files, ...perTest, ...perRun } }

export default defineConfig({
  test: {
    ...perRun,
    projects: [
      {
        ...resolution,
        test: {
          ...perTest,
          name: 'together',
          include: files,
          exclude: [...configDefaults.exclude, ...alone],
          maxWorkers: perRun.maxWorkers,
        },
      },
      {
        ...resolution,
        test: { ...perTest, name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
