import { CommanderError } from 'commander'
import { exitCodes } from './exit-codes.ts'
import { red } from './output.ts'

/** The command was called wrongly; the message says how to mend it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Says on stderr why a command was not carried out. @returns the exit code. */
export function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help that was asked for.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
  const { message, code } = describe(error)
  process.stderr.write(`${red('error')} ${message}${code === undefined ? '' : ` (${code})`}\n`)
  const isUsage = error instanceof UsageError || code === 'configuration_invalid'
  return isUsage ? exitCodes.usage : exitCodes.failed
}

/** Errors of core, of the client and of Node alike have a `code`. */
function describe(error: unknown): { readonly message: string; readonly code?: string | undefined } {
  return error instanceof Error
    ? { message: error.message, code: (error as NodeJS.ErrnoException).code }
    : { message: String(error) }
}
