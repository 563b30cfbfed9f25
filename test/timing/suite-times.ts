// A Vitest reporter that prints the duration of each suite, slowest first.
import { relative } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'

/** The duration of a test file, including hooks and imports. */
export interface FileTime {
  /** Relative to the repository. */
  readonly file: string
  readonly milliseconds: number
}

export default class SuiteTimes implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const suites = suiteTimes(modules.map(timeOf))
    // The default reporter prints the time of a single suite.
    if (suites.length < 2) return
    console.log('\nSeconds per suite. Suites run in parallel, so their sum exceeds the duration of the run.')
    for (const { suite, seconds, files } of suites) {
      console.log(`${seconds.toFixed(1).padStart(8)}  ${suite} (${files} ${files === 1 ? 'file' : 'files'})`)
    }
  }
}

function timeOf(module: TestModule): FileTime {
  const { duration, collectDuration, setupDuration } = module.diagnostic()
  return {
    file: relative(module.project.config.root, module.moduleId).replaceAll('\\', '/'),
    milliseconds: duration + collectDuration + setupDuration,
  }
}

interface SuiteTime {
  readonly suite: string
  readonly seconds: number
  readonly files: number
}

/** Sums the files of each suite, such as `packages/core` or `test/hosts`. */
export function suiteTimes(files: readonly FileTime[]): readonly SuiteTime[] {
  const suites = new Map<string, SuiteTime>()
  for (const { file, milliseconds } of files) {
    const suite = file.split('/').slice(0, 2).join('/')
    const { seconds = 0, files: counted = 0 } = suites.get(suite) ?? {}
    suites.set(suite, { suite, seconds: seconds + milliseconds / 1000, files: counted + 1 })
  }
  return [...suites.values()].sort((one, other) => other.seconds - one.seconds)
}
