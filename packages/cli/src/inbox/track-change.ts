import type { FinalState, Inbox } from '@scrapenest-webhooks/inbox'

const intervalMs = 500

/**
 * Reports how many events have left a state while `work` replays or deletes them. The total is that of the state, although
 * the filter may select fewer.
 */
export async function trackChange<Result>(
  inbox: Inbox,
  { state, name }: { readonly state: FinalState; readonly name?: string | undefined },
  onProgress: (done: number, total: number, label: string) => void,
  work: () => Promise<Result>,
): Promise<Result> {
  const count = async (): Promise<number> => (await inbox.stats(name === undefined ? {} : { name }))[state]
  const total = await count()
  onProgress(0, total, `${state} events`)
  let isOver = false
  async function report(): Promise<void> {
    try {
      const left = await count()
      if (!isOver) onProgress(Math.max(0, total - left), total, `${state} events`)
    } catch {
      // If the store is unavailable, the work itself reports why.
    }
  }
  const timer = setInterval(() => void report(), intervalMs)
  try {
    return await work()
  } finally {
    isOver = true
    clearInterval(timer)
    onProgress(total, total, '')
  }
}
