import { BlockList, isIP } from 'node:net'

/**
 * Ranges that are not the public internet (IANA's special-purpose registries), and IPv6 ranges that wrap an IPv4 address,
 * because packets may be forwarded to the wrapped address.
 */
const reserved: Readonly<Record<'ipv4' | 'ipv6', readonly string[]>> = {
  ipv4: [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/3',
  ],
  ipv6: [
    '::/96',
    '::ffff:0:0:0/96',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '100::/64',
    '2001::/23',
    '2001:db8::/32',
    '2002::/16',
    '3fff::/20',
    '5f00::/16',
    'fc00::/7',
    'fe80::/9',
    'ff00::/8',
  ],
}

const blocked = new BlockList()
for (const family of ['ipv4', 'ipv6'] as const) {
  for (const range of reserved[family]) {
    const [network = '', bits] = range.split('/')
    blocked.addSubnet(network, Number(bits), family)
  }
}

/** Whether text is an IP address of the public internet. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address)
  if (version === 4) return !blocked.check(address, 'ipv4')
  // BlockList unwraps ::ffff:a.b.c.d itself. Only link-local addresses have a zone (`fe80::1%eth0`).
  return version === 6 && !address.includes('%') && !blocked.check(address, 'ipv6')
}
