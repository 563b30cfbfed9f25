import { BlockList, isIP } from 'node:net'
import { ConfigurationError } from './errors.ts'

/**
 * Compiles a list of addresses and CIDR ranges to a test. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`, as a
 * dual-stack socket reports it) is treated as the IPv4 address it is.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an empty list, or an entry that is no address or range.
 */
export function compileAllowedSources(sources: readonly string[]): (address: string) => boolean {
  if (!Array.isArray(sources) || sources.length === 0) {
    throw new ConfigurationError(
      'allowedSources is empty, so every delivery would be refused. Leave it out or list the ranges.',
    )
  }
  const allowed = new BlockList()
  for (const source of sources) addRange(allowed, source)
  return (address) => {
    const plain = plainAddress(address)
    const version = isIP(plain)
    return version !== 0 && allowed.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}

function addRange(allowed: BlockList, source: string): void {
  const [address = '', prefix, ...rest] = String(source).split('/')
  const version = isIP(address)
  const maxPrefix = version === 4 ? 32 : 128
  const length = prefix === undefined ? maxPrefix : Number(prefix)
  const isRange = prefix === undefined || (/^[0-9]{1,3}$/.test(prefix) && length <= maxPrefix)
  if (version === 0 || !isRange || rest.length > 0) {
    throw new ConfigurationError(
      `allowedSources: ${JSON.stringify(source)} is no address or CIDR range such as 192.0.2.0/24.`,
    )
  }
  allowed.addSubnet(address, length, version === 4 ? 'ipv4' : 'ipv6')
}

function plainAddress(address: string): string {
  const unzoned = address.split('%', 1)[0] as string
  const mapped = /^::ffff:([0-9.]+)$/i.exec(unzoned)?.[1]
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : unzoned
}
