import { createInterface } from 'node:readline/promises'
import { UsageError } from '../usage-error.ts'
import { printQuestion } from './print.ts'

/**
 * Asks for confirmation before an action that cannot be undone.
 *
 * @param action completes "Really …?", such as "delete ep_1".
 * @param input the stream to read the answer from. Default: stdin.
 * @throws {UsageError} if there is no terminal. `--yes` is then required.
 */
export async function confirm(action: string, input: NodeJS.ReadStream = process.stdin): Promise<boolean> {
  if (!input.isTTY) throw new UsageError(`Nothing was changed. Without a terminal, add --yes to ${action}.`)
  printQuestion(`Really ${action}? [y/N]`)
  const lines = createInterface({ input })
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim())
    return false
  } finally {
    lines.close()
  }
}
