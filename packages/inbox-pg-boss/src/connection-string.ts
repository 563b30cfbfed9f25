import { ConfigurationError } from '@scrapenest-webhooks/core'

/**
 * Rejects a string that `pg` would misread: an unescaped `/`, `?` or `#` ends the password early, and the rest would be
 * printed as the name of a nonexistent host or database.
 *
 * @throws {ConfigurationError} `configuration_invalid`. The message does not quote the string, which contains a password.
 */
export function checkConnectionString(connectionString: unknown): void {
  const isText = typeof connectionString === 'string'
  if (isText && hasSeveralHosts(connectionString)) {
    throw new ConfigurationError(
      'The connectionString names several hosts, but pg connects to one. Use a host name that always leads to the primary.',
    )
  }
  if (isText && /^(\/|socket:)/.test(connectionString)) return
  const url = isText ? parse(connectionString) : undefined
  if (url !== undefined && !hasCutCredentials(url)) return
  throw new ConfigurationError(
    'Expected connectionString to be a URL such as postgres://user:password@host:5432/database. ' +
      'Percent-encode special characters in the password, for example with encodeURIComponent.',
  )
}

/** The parts of a connection string that must not be printed. */
export function secretsIn(connectionString: string): readonly string[] {
  const url = parse(connectionString)
  const passwords = url === undefined ? [] : [url.password, decodeURIComponent(url.password)]
  const parameters = [...(url?.searchParams ?? [])].filter(([name]) => /password|passphrase|key/i.test(name))
  const secrets = [connectionString, ...passwords, ...parameters.map(([, value]) => value)]
  // Longest first, because one may contain another.
  return secrets.filter((secret) => secret !== '').sort((one, other) => other.length - one.length)
}

function parse(connectionString: string): URL | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(connectionString)) return undefined
  try {
    // For `pg`, a URL with credentials but no host is valid, because the host can be a parameter.
    const url = new URL(connectionString.replace('@/', '@localhost/'))
    for (const part of [url.username, url.password, url.pathname]) decodeURIComponent(part)
    return url
  } catch {
    return undefined
  }
}

/** Whether this is a list of hosts, as `libpq` accepts it. */
function hasSeveralHosts(connectionString: string): boolean {
  const authority = /^[a-z]+:\/\/([^/?#]*)/i.exec(connectionString)?.[1] ?? ''
  return authority.slice(authority.lastIndexOf('@') + 1).includes(',')
}

function hasCutCredentials({ username, pathname, search, hash }: URL): boolean {
  const isCutByPath = username === '' && pathname.includes('@')
  const isCutByQuery = search
    .slice(1)
    .split('&')
    .some((part) => part.includes('@') && !part.includes('='))
  return isCutByPath || isCutByQuery || hash.includes('@')
}
