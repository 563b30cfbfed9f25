import type { Logger } from '@scrapenest-webhooks/core'

/** Discards the log lines of a million refused requests. */
export const quiet: Logger = { warn() {}, error() {} }

/** Collects unhandled rejections and uncaught exceptions while `work` runs. */
export async function countingStrays<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly strays: readonly string[] }> {
  const strays: string[] = []
  const rejected = (reason: unknown): void => void strays.push(`unhandled rejection: ${describe(reason)}`)
  const thrown = (error: unknown): void => void strays.push(`uncaught exception: ${describe(error)}`)
  process.on('unhandledRejection', rejected)
  process.on('uncaughtException', thrown)
  try {
    const result = await work()
    // Node reports unhandled rejections after the turn's microtasks.
    await new Promise((resolve) => setTimeout(resolve, 5))
    return { result, strays }
  } finally {
    process.off('unhandledRejection', rejected)
    process.off('uncaughtException', thrown)
  }
}

function describe(value: unknown): string {
  try {
    return value instanceof Error ? (value.stack ?? value.message) : String(value)
  } catch {
    return 'something that cannot be shown'
  }
}
