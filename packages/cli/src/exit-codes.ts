/** The exit codes of all commands, listed in `--help` and the README. */
export const exitCodes = {
  /** Success. */
  ok: 0,
  /** The command found a problem: a signature is invalid, a server has a fault, an event is missing. */
  problemFound: 1,
  /** Invalid arguments. */
  usage: 2,
  /** The command failed: something was unavailable or refused the request. */
  failed: 3,
} as const
