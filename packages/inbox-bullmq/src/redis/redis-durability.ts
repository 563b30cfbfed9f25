import { ConfigurationError } from '@scrapenest-webhooks/core'

/** How the configuration of Redis can lose events, according to INFO. `undefined` if it cannot, or if INFO does not say. */
export function durabilityProblem(info: string): ConfigurationError | undefined {
  const value = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const problems: string[] = []
  if (value('aof_enabled') === '0') {
    problems.push('With appendonly no, a restart or crash of Redis loses acknowledged events. Set appendonly yes')
  }
  const policy = value('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    problems.push(
      `With maxmemory-policy ${policy}, Redis deletes acknowledged events when its memory is full. Set maxmemory-policy noeviction`,
    )
  }
  if (problems.length === 0) return undefined
  return new ConfigurationError(`Redis is configured to lose events. ${problems.join('. ')}.`)
}
