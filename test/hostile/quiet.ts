import type { Logger } from '@scrapenest-webhooks/core'

/** A million refused requests are no reason for a line on stderr. */
export const quiet: Logger = { warn() {}, error() {} }

/** Counts what nobody caught while something runs. */
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
    // Node tells of a rejection nobody handled after the microtasks of the turn.
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
