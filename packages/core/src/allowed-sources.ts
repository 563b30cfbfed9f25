import { BlockList } from 'node:net'
import { unexpected } from './check-options.ts'

/**
 * Compiles a list of addresses and CIDR ranges to a test. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`, as a
 * dual-stack socket reports it) is treated as the IPv4 address it is.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an empty list, or an entry that is no address or range.
 */
export function compileAllowedSources(sources: readonly string[]): (address: string) => boolean {
  const allowed = new BlockList()
  let shown: unknown = sources
  try {
    if (sources.length === 0) throw sources
    for (const source of sources) {
      shown = source
      const [, address, prefix] = grammar.exec(source) as unknown as [unknown, string, string | undefined]
      const version = versionOf(address)
      // An address by itself is a range of one. `BlockList` knows what an address is, and how long its prefix may be.
      allowed.addSubnet(address, Number(prefix ?? (version === 'ipv4' ? 32 : 128)), version)
    }
  } catch {
    throw unexpected('allowedSources', shown, 'addresses and CIDR ranges')
  }
  return (address) => allowed.check(address, versionOf(address))
}

const grammar = /^([^/]+)(?:\/(\d+))?$/

function versionOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
