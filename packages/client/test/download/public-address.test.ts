import { isIPv4 } from 'node:net'
import { describe, expect, it } from 'vitest'
import { isPublicAddress } from '../../src/download/public-address.ts'

/** https://www.iana.org/assignments/iana-ipv4-special-registry: block, name, RFC. */
const ipv4Registry = [
  ['0.0.0.0/8', '"This network"', 'RFC 791'],
  ['0.0.0.0/32', '"This host on this network"', 'RFC 1122'],
  ['10.0.0.0/8', 'Private-Use', 'RFC 1918'],
  ['100.64.0.0/10', 'Shared Address Space', 'RFC 6598'],
  ['127.0.0.0/8', 'Loopback', 'RFC 1122'],
  ['169.254.0.0/16', 'Link Local', 'RFC 3927'],
  ['172.16.0.0/12', 'Private-Use', 'RFC 1918'],
  ['192.0.0.0/24', 'IETF Protocol Assignments', 'RFC 6890'],
  ['192.0.0.0/29', 'IPv4 Service Continuity Prefix', 'RFC 7335'],
  ['192.0.0.8/32', 'IPv4 dummy address', 'RFC 7600'],
  ['192.0.0.9/32', 'Port Control Protocol Anycast', 'RFC 7723'],
  ['192.0.0.10/32', 'Traversal Using Relays around NAT Anycast', 'RFC 8155'],
  ['192.0.0.170/32', 'NAT64/DNS64 Discovery', 'RFC 8880'],
  ['192.0.0.171/32', 'NAT64/DNS64 Discovery', 'RFC 8880'],
  ['192.0.2.0/24', 'Documentation (TEST-NET-1)', 'RFC 5737'],
  ['192.31.196.0/24', 'AS112-v4', 'RFC 7535'],
  ['192.52.193.0/24', 'AMT', 'RFC 7450'],
  ['192.88.99.0/24', 'Deprecated (6to4 Relay Anycast)', 'RFC 7526'],
  ['192.88.99.2/32', '6a44-relay anycast address', 'RFC 6751'],
  ['192.168.0.0/16', 'Private-Use', 'RFC 1918'],
  ['192.175.48.0/24', 'Direct Delegation AS112 Service', 'RFC 7534'],
  ['198.18.0.0/15', 'Benchmarking', 'RFC 2544'],
  ['198.51.100.0/24', 'Documentation (TEST-NET-2)', 'RFC 5737'],
  ['203.0.113.0/24', 'Documentation (TEST-NET-3)', 'RFC 5737'],
  ['240.0.0.0/4', 'Reserved', 'RFC 1112'],
  ['255.255.255.255/32', 'Limited Broadcast', 'RFC 919'],
] as const

/** https://www.iana.org/assignments/iana-ipv6-special-registry: block, name, RFC. */
const ipv6Registry = [
  ['::1/128', 'Loopback Address', 'RFC 4291'],
  ['::/128', 'Unspecified Address', 'RFC 4291'],
  ['::ffff:0:0/96', 'IPv4-mapped Address', 'RFC 4291'],
  ['64:ff9b::/96', 'IPv4-IPv6 Translation', 'RFC 6052'],
  ['64:ff9b:1::/48', 'IPv4-IPv6 Translation', 'RFC 8215'],
  ['100::/64', 'Discard-Only Address Block', 'RFC 6666'],
  ['100:0:0:1::/64', 'Dummy IPv6 Prefix', 'RFC 9780'],
  ['2001::/23', 'IETF Protocol Assignments', 'RFC 2928'],
  ['2001::/32', 'TEREDO', 'RFC 4380'],
  ['2001:1::1/128', 'Port Control Protocol Anycast', 'RFC 7723'],
  ['2001:1::2/128', 'Traversal Using Relays around NAT Anycast', 'RFC 8155'],
  ['2001:1::3/128', 'DNS-SD Service Registration Protocol Anycast', 'RFC 9665'],
  ['2001:2::/48', 'Benchmarking', 'RFC 5180'],
  ['2001:3::/32', 'AMT', 'RFC 7450'],
  ['2001:4:112::/48', 'AS112-v6', 'RFC 7535'],
  ['2001:10::/28', 'Deprecated (previously ORCHID)', 'RFC 4843'],
  ['2001:20::/28', 'ORCHIDv2', 'RFC 7343'],
  ['2001:30::/28', 'Drone Remote ID Protocol Entity Tags', 'RFC 9374'],
  ['2001:db8::/32', 'Documentation', 'RFC 3849'],
  ['2002::/16', '6to4', 'RFC 3056'],
  ['2620:4f:8000::/48', 'Direct Delegation AS112 Service', 'RFC 7534'],
  ['3fff::/20', 'Documentation', 'RFC 9637'],
  ['5f00::/16', 'Segment Routing (SRv6) SIDs', 'RFC 9602'],
  ['fc00::/7', 'Unique-Local', 'RFC 4193'],
  ['fe80::/10', 'Link-Local Unicast', 'RFC 4291'],
] as const

/** Blocks that are in other IANA registries, or no longer in any. */
const others = [
  ['224.0.0.0/4', 'Multicast', 'RFC 5771'],
  ['::/96', 'IPv4-compatible Address, deprecated', 'RFC 4291'],
  ['::ffff:0:0:0/96', 'IPv4-translated Address', 'RFC 7915'],
  ['fec0::/10', 'Site-Local, deprecated', 'RFC 3879'],
  ['ff00::/8', 'Multicast', 'RFC 4291'],
  ['4000::/3', 'Reserved by IETF', 'RFC 4291'],
] as const

/** The first and the last address of a block, and one in its middle. */
function addressesOf(block: string): readonly string[] {
  const [network = '', length = ''] = block.split('/')
  const size = isIPv4(network) ? 32 : 128
  const first = isIPv4(network) ? ipv4Number(network) : ipv6Number(network)
  const last = first | ((1n << BigInt(size - Number(length))) - 1n)
  return [first, (first + last) / 2n, last].map(isIPv4(network) ? ipv4Text : ipv6Text)
}

const ipv4Number = (text: string): bigint => text.split('.').reduce((sum, part) => (sum << 8n) + BigInt(part), 0n)

const ipv4Text = (number: bigint): string => [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 0xffn).join('.')

function ipv6Number(text: string): bigint {
  const [head = '', tail = ''] = text.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
  return groups.reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n)
}

const ipv6Text = (number: bigint): string =>
  number
    .toString(16)
    .padStart(32, '0')
    .replace(/.{4}(?!$)/g, '$&:')

describe('an address of a special range is not public', () => {
  it.each([...ipv4Registry, ...ipv6Registry, ...others])('%s: %s, %s', (block) => {
    const addresses = addressesOf(block)
    expect(addresses.filter(isPublicAddress)).toEqual([])
  })
})

describe('an address next to a special range is public', () => {
  it.each([
    '1.0.0.0',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.0',
    '192.0.3.0',
    '192.31.195.255',
    '192.88.98.255',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '198.51.99.255',
    '203.0.114.0',
    '223.255.255.255',
    '2000::',
    '2001:200::',
    '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff',
    '2001:db9::',
    '2003::',
    '2620:4f:7fff:ffff:ffff:ffff:ffff:ffff',
    '2620:4f:8001::',
    '3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    '3fff:1000::',
  ])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })

  it.each(['8.8.8.8', '93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })
})

describe('an IPv6 address that embeds an IPv4 address is judged by the IPv4 address', () => {
  it.each([
    ['::ffff:8.8.8.8', true],
    ['::ffff:127.0.0.1', false],
    ['::ffff:a00:1', false],
    ['64:ff9b::8.8.8.8', true],
    ['64:ff9b::808:808', true],
    ['64:ff9b::10.0.0.1', false],
    ['64:ff9b::127.0.0.1', false],
    ['64:ff9b::169.254.169.254', false],
    ['64:ff9b::1:808:808', false],
    // For local use: with a prefix of 96, 64, 56 and 48 bits.
    ['64:ff9b:1::8.8.8.8', true],
    ['64:ff9b:1::93.184.215.14', true],
    ['64:ff9b:1::10.0.0.1', false],
    ['64:ff9b:1::169.254.169.254', false],
    ['64:ff9b:1:0:8:808:800::', true],
    ['64:ff9b:1:0:a:1:200::', false],
    ['64:ff9b:1:8:8:808::', true],
    ['64:ff9b:1:a:0:100::', false],
    ['64:ff9b:1:808:8:800::', true],
    ['64:ff9b:1:a00:0:100::', false],
    // Public with a 96-bit prefix and private with a 48-bit one. The address does not show which one is in use.
    ['64:ff9b:1:a00:0:100:808:808', false],
    ['64:ff9b:1::', false],
  ])('%s: %o', (address, isPublic) => {
    expect(isPublicAddress(address)).toBe(isPublic)
  })
})

it.each([
  '',
  'localhost',
  '1.2.3',
  '127.1',
  '0x8080808',
  '010.8.8.8',
  '8.8.8.8.',
  ' 8.8.8.8',
  'fe80::1%eth0',
  '2606:4700::1111%eth0',
])('text that is not a plain address is not public: %o', (text) => {
  expect(isPublicAddress(text)).toBe(false)
})
