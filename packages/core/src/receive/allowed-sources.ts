import { unexpected } from '../check.ts'

/**
 * Compiles addresses and CIDR ranges into a predicate. An IPv4 address in IPv6 notation (`::ffff:192.0.2.1`, as dual-stack
 * sockets report it) counts as the IPv4 address. A port after the address is ignored: Azure Application Gateway writes
 * `192.0.2.9:54321` into `X-Forwarded-For`.
 *
 * @throws {ConfigurationError} `configuration_invalid`: the list is empty, or an entry is not an address or range.
 */
export function compileAllowedSources(sources: readonly string[]): (address: string) => boolean {
  // Loaded here, not imported: few receivers set this option, and loading node:net slows a cold start.
  const { BlockList } = process.getBuiltinModule('node:net')
  const allowed = new BlockList()
  if (!Array.isArray(sources) || sources.length === 0) throw unexpected('allowedSources', sources, expectation)
  for (const source of sources) {
    try {
      const [, address, prefix] = grammar.exec(source) as unknown as [string, string, string | undefined]
      // BlockList validates the address and the prefix length. A single address is a range of one.
      allowed.addSubnet(address, Number(prefix ?? (versionOf(address) === 'ipv4' ? 32 : 128)), versionOf(address))
    } catch {
      throw unexpected('allowedSources', source, expectation)
    }
  }
  return (reported) => {
    try {
      const address = withoutPort(reported)
      return allowed.check(address, versionOf(address))
    } catch {
      // Not an address: a proxy's header may contain anything.
      return false
    }
  }
}

const expectation = 'addresses and CIDR ranges'
const grammar = /^([^/]+)(?:\/(\d+))?$/

/** An IPv4 address and a port, or an IPv6 address in brackets with or without one (RFC 3986, section 3.2.2). */
const withPort = /^(?:([0-9.]+):[0-9]{1,5}|\[([^[\]]+)\](?::[0-9]{1,5})?)$/

function withoutPort(address: string): string {
  const [, ipv4, ipv6] = withPort.exec(address) ?? []
  return ipv4 ?? ipv6 ?? address
}

function versionOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
