/** An operation did not finish in time. It may still take effect later. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError'
  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`)
  }
}

/** @throws {TimeLimitError} if it takes longer than `limitMs`, in milliseconds. */
export async function within<Answer>(limitMs: number, answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TimeLimitError(limitMs)), limitMs)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
