import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Starts the suites that wait for leases, kills and outages first. Without cached durations, Vitest starts small files last, and
 * the run would end with waiting.
 */
export default class WaitingFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return waitingFirst(await super.sort(files))
  }
}

export function waitingFirst<File extends { readonly moduleId: string }>(files: readonly File[]): File[] {
  const waits = ({ moduleId }: File): boolean => /\/test\/(?:engines|inbox)\//.test(moduleId)
  return [...files.filter(waits), ...files.filter((file) => !waits(file))]
}
