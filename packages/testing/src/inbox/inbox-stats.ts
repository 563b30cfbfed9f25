import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Resolves once the stats of an inbox have these values.
 *
 * @param wanted the counts to wait for, such as `{ done: 2 }`. Others are ignored.
 * @param timeoutMs how long to wait, in milliseconds. Default: 5000.
 * @throws {Error} with the current stats, if they do not reach these values in time.
 *
 * @example
 * await untilInboxStats(inbox, { done: 2, dead: 0 })
 */
export async function untilInboxStats<Stats extends object>(
  inbox: { stats(): Promise<Stats> },
  wanted: Partial<NoInfer<Stats>>,
  timeoutMs: number = 5000,
): Promise<void> {
  const giveUpAtMs = performance.now() + timeoutMs
  for (;;) {
    const stats = await inbox.stats()
    if (Object.entries(wanted).every(([name, count]) => stats[name as keyof Stats] === count)) return
    if (performance.now() > giveUpAtMs) {
      const found = JSON.stringify(stats)
      throw new Error(`Expected the inbox to have ${JSON.stringify(wanted)} within ${timeoutMs} ms; it has ${found}.`)
    }
    await sleep(2)
  }
}
