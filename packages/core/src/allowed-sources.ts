import { BlockList } from 'node:net'
import { checkOption } from './check-options.ts'

/**
 * Compiles a list of addresses and CIDR ranges to a test. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`, as a
 * dual-stack socket reports it) is treated as the IPv4 address it is.
 *
 * @throws {ConfigurationError} `configuration_invalid`: an empty list, or an entry that is no address or range.
 */
export function compileAllowedSources(sources: readonly string[]): (address: string) => boolean {
  checkOption('allowedSources', sources, Array.isArray(sources) && sources.length > 0, 'a list of at least one range')
  const allowed = new BlockList()
  for (const source of sources) {
    checkOption(
      'each of allowedSources',
      source,
      addRange(allowed, source),
      'an address or CIDR range such as 192.0.2.0/24',
    )
  }
  return (address) => allowed.check(address, versionOf(address))
}

const grammar = /^([^/]+)(?:\/([0-9]+))?$/

/** @returns `false` for what is no address or range. */
function addRange(allowed: BlockList, source: string): boolean {
  const [, address = '', prefix] = grammar.exec(source) ?? []
  const version = versionOf(address)
  try {
    // An address by itself is a range of one.
    allowed.addSubnet(address, Number(prefix ?? (version === 'ipv4' ? 32 : 128)), version)
    return true
  } catch {
    return false
  }
}

function versionOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
