import { BlockList } from 'node:net'
import { unexpected } from './check-options.ts'

/**
 * Compiles a list of addresses and CIDR ranges to a test. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`, as a
 * dual-stack socket reports it) is treated as the IPv4 address it is.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an empty list, or an entry that is no address or range.
 */
export function compileAllowedSources(sources: readonly string[]): (address: string) => boolean {
  if (!Array.isArray(sources) || sources.length === 0) {
    throw unexpected('allowedSources', sources, 'a list of at least one range')
  }
  const allowed = new BlockList()
  for (const source of sources) {
    try {
      addRange(allowed, source)
    } catch {
      throw unexpected('each of allowedSources', source, 'an address or CIDR range such as 192.0.2.0/24')
    }
  }
  return (address) => allowed.check(address, versionOf(address))
}

const grammar = /^([^/]+)(?:\/([0-9]+))?$/

/** Throws where `BlockList` does: it knows what an address is, and how long its prefix may be. */
function addRange(allowed: BlockList, source: string): void {
  const [, address = '', prefix] = grammar.exec(source) ?? []
  const version = versionOf(address)
  // An address by itself is a range of one.
  allowed.addSubnet(address, Number(prefix ?? (version === 'ipv4' ? 32 : 128)), version)
}

function versionOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
