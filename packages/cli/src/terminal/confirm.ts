import { createInterface } from 'node:readline/promises'
import { UsageError } from '../usage-error.ts'
import { printQuestion } from './print.ts'

/**
 * Asks before an action that cannot be undone.
 *
 * @param action completes "Really …?", such as "delete ep_1".
 * @param input where the answer is read. Default: stdin.
 * @throws {UsageError} there is no terminal to ask on. `--yes` is required.
 */
export async function confirm(action: string, input: NodeJS.ReadStream = process.stdin): Promise<boolean> {
  if (!input.isTTY) throw new UsageError(`Not done: without a terminal, only --yes makes this command ${action}.`)
  printQuestion(`Really ${action}? [y/N]`)
  const lines = createInterface({ input })
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim())
    return false
  } finally {
    lines.close()
  }
}
