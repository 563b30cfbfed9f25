import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether the text is a public internet address. An IPv6 address that embeds an IPv4 address is judged by the IPv4 address.
 */
export function isPublicAddress(text: string): boolean {
  // The library also parses 127.1 and 0x7f000001. Only link-local addresses have a zone (`fe80::1%eth0`).
  if (isIP(text) === 0 || text.includes('%')) return false
  // Unwraps ::ffff:a.b.c.d.
  const address = ipaddr.process(text)
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast'
  if (address.range() === 'rfc6052') return isPublicBehindNat64(address)
  return address.range() === 'unicast' && address.match(globalUnicast)
}

/** The block for all global addresses, including future ones (RFC 4291, section 2.4). */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/** The positions of the IPv4 bytes in a NAT64 address (RFC 6052, section 2.2). */
const nat64Layouts = [
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
  [12, 13, 14, 15],
] as const

/**
 * 64:ff9b::/96 has one layout. 64:ff9b:1::/48 is for local use (RFC 8215) with an unknown layout, so the address must be
 * public in each of them. Layouts that result in an address in 0.0.0.0/8 are ignored: that address
 * leads nowhere, so the layout is not the one in use.
 */
function isPublicBehindNat64(address: ipaddr.IPv6): boolean {
  const bytes = address.toByteArray()
  const layouts = address.match(ipaddr.IPv6.parseCIDR('64:ff9b::/96')) ? nat64Layouts.slice(-1) : nat64Layouts
  const ranges = layouts
    .map((positions) => new ipaddr.IPv4(positions.map((position) => bytes[position] ?? 0)).range())
    .filter((range) => range !== 'unspecified')
  return ranges.length > 0 && ranges.every((range) => range === 'unicast')
}
