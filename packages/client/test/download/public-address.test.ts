import { expect, it } from 'vitest'
import { isPublicAddress } from '../../src/download/public-address.ts'

it.each([
  '8.8.8.8',
  '93.184.215.14',
  '172.32.0.1',
  '100.128.0.1',
  '2606:2800:21f:cb07:6820:80da:af6b:8b2c',
  '::ffff:8.8.8.8',
])('%s is public', (address) => expect(isPublicAddress(address)).toBe(true))

it.each([
  '127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  'fe80::1%eth0',
  '198.18.0.1',
  '2001:db8::1',
  '',
  'localhost',
  '1.2.3',
])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false))
