import { UsageError } from '../usage-error.ts'

/** Options that locate an inbox. */
export interface LocationOptions {
  readonly file: string
  /** A URL, or `true` for the one in `REDIS_URL`. */
  readonly redis?: string | true
  /** A URL, or `true` for the one in `DATABASE_URL`. */
  readonly postgres?: string | true
  readonly queuePrefix?: string
  readonly redisPrefix?: string
  readonly schema?: string
}

export type InboxLocation =
  | { readonly kind: 'sqlite'; readonly file: string }
  | {
      readonly kind: 'redis'
      readonly url: string
      readonly queuePrefix: string | undefined
      readonly prefix: string | undefined
    }
  | {
      readonly kind: 'postgres'
      readonly url: string
      readonly queuePrefix: string | undefined
      readonly schema: string | undefined
    }

/** @throws {UsageError} The message does not quote the URL, which may contain a password. */
export function readLocation(options: LocationOptions): InboxLocation {
  const { file, redis, postgres, queuePrefix, redisPrefix, schema } = options
  if (redisPrefix !== undefined && redis === undefined) throw new UsageError('--redis-prefix requires --redis.')
  if (schema !== undefined && postgres === undefined) throw new UsageError('--schema requires --postgres.')
  if (redis !== undefined) {
    const url = readUrl(redis, { option: '--redis', variable: 'REDIS_URL', protocols: ['redis:', 'rediss:'] })
    return { kind: 'redis', url, queuePrefix, prefix: redisPrefix }
  }
  if (postgres !== undefined) {
    const protocols = ['postgres:', 'postgresql:']
    const url = readUrl(postgres, { option: '--postgres', variable: 'DATABASE_URL', protocols })
    return { kind: 'postgres', url, queuePrefix, schema }
  }
  if (queuePrefix !== undefined) throw new UsageError('--queue-prefix requires --redis or --postgres.')
  return { kind: 'sqlite', file }
}

function readUrl(
  given: string | true,
  expected: { readonly option: string; readonly variable: string; readonly protocols: readonly string[] },
): string {
  const { option, variable, protocols } = expected
  const url = given === true ? process.env[variable] : given
  if (!url) throw new UsageError(`Set ${variable}, or pass a URL: ${option} ${protocols[0]}//…`)
  if (URL.canParse(url) && protocols.includes(new URL(url).protocol)) return url
  const source = given === true ? variable : option
  throw new UsageError(
    `Expected ${source} to be a URL that starts with ${protocols[0]}//. Put other arguments before it.`,
  )
}
