/** What a script learns from a command. `--help` and the README list them. */
export const exitCodes = {
  /** Done, and everything is in order. */
  ok: 0,
  /** Done, and something is not in order: a signature does not verify, a server has a fault, an event is missing. */
  notInOrder: 1,
  /** Not done: the command was called incorrectly. */
  usage: 2,
  /** Not done: something it needs is unavailable or was refused. */
  failed: 3,
} as const
