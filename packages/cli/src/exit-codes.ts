/** What a script learns from a command. */
export const exitCodes = {
  /** Done, and what was looked at is in order. */
  ok: 0,
  /** Done, and what was looked at is not in order: a signature that does not verify, a server with a fault. */
  notInOrder: 1,
  /** Not done: the command was called wrongly. */
  usage: 2,
  /** Not done: something it needs is out of reach or refused. */
  failed: 3,
} as const
