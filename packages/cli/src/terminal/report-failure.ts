import { types } from 'node:util'
import { CommanderError } from 'commander'
import { exitCodes } from '../exit-codes.ts'
import { UsageError } from '../usage-error.ts'
import { printErrorLine, red } from './print.ts'

/** Prints why a command failed. @returns the exit code. */
export function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has already printed its message, or the requested help.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
  const { message, code } = describe(error)
  // Our own messages already end with a link to the page of their code.
  const isCodeNamed = code === undefined || message.endsWith(`/errors/${code}.md`)
  const [firstLine = '', ...otherLines] = `${message}${isCodeNamed ? '' : ` (${code})`}`.split('\n')
  printErrorLine(red('error:'), ` ${firstLine}`)
  for (const line of otherLines) printErrorLine(`  ${line}`)
  const isUsage = error instanceof UsageError || code === 'configuration_invalid'
  return isUsage ? exitCodes.usage : exitCodes.failed
}

/** Errors of core, of the client and of Node all have a `code`. */
function describe(error: unknown): { readonly message: string; readonly code?: string | undefined } {
  return types.isNativeError(error)
    ? { message: error.message, code: (error as NodeJS.ErrnoException).code }
    : { message: String(error) }
}
