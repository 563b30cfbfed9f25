import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config'
import WaitingFirst from './test/timing/waiting-first.ts'

// Sources, not builds: each package's exports carry this condition inside the workspace.
const conditions = ['@scrapenest-webhooks/source']
const resolution = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
}

const files = ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts']

/** These kill a process each second, and count what a process that stalls would do twice. */
const alone = ['test/engines/load.test.ts']

const perTest = {
  // Child processes that the tests start find the sources in the same way.
  env: { NODE_OPTIONS: `--conditions=${conditions[0]}` },
  testTimeout: 20_000,
  hookTimeout: 60_000,
  maxConcurrency: 16,
}

const perRun = {
  reporters: ['default', './test/timing/suite-times.ts'],
  // Says in the last lines which engines were missing, and fails for it where nobody reads them.
  globalSetup: ['test/engines/missing-engines.ts', 'test/packaging/once-per-run.ts'],
  sequence: { sequencer: WaitingFirst },
  // Vitest would take one less than there are cores, but most suites wait for timers and child processes.
  maxWorkers: availableParallelism() + 1,
}

/** Every test file, for configurations that choose some of them. */
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
