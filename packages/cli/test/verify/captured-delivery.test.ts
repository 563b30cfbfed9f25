import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readHeaders, readNow } from '../../src/verify/captured-delivery.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scrapenest-headers-'))
  file = join(folder, 'headers')
})
afterEach(() => rm(folder, { recursive: true }))

const headers = { 'svix-id': 'msg_1', 'svix-timestamp': '1760000000', 'svix-signature': 'v1,a=' }
const lines = Object.entries(headers)
  .map(([name, value]) => `${name}: ${value}`)
  .join('\r\n')
const json = JSON.stringify(headers)

function utf16(text: string): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')])
}

describe('the --headers file', () => {
  it.each<[string, string | Buffer]>([
    ['lines', lines],
    ['lines after a request line', `POST /webhooks HTTP/1.1\n${lines}\n\n`],
    ['lines of curl -v', `* Connected to localhost port 3000\n> POST / HTTP/1.1\n${lines.replace(/^/gm, '> ')}`],
    ['lines with a byte order mark', `\ufeff${lines}`],
    ['lines in UTF-16', utf16(lines)],
    ['a JSON object', json],
    ['a JSON object with a byte order mark', `\ufeff${json}`],
    ['a JSON object in UTF-16', utf16(json)],
    ['a JSON object of lists', JSON.stringify(headers).replaceAll(/:("[^"]+")/g, ':[$1]')],
    ['a JSON list of pairs', JSON.stringify(Object.entries(headers))],
    ['rawHeaders of Node', JSON.stringify(Object.entries(headers).flat())],
  ])('can be %s', async (_form, content) => {
    await writeFile(file, content)
    expect(await readHeaders(file, [])).toEqual(headers)
  })

  it('is overridden by --header', async () => {
    await writeFile(file, lines)
    expect(await readHeaders(file, ['Svix-Id: msg_2'])).toEqual({ ...headers, 'svix-id': 'msg_2' })
  })

  it.each(['', '{broken', '[1'])('is refused if it is %j', async (content) => {
    await writeFile(file, content)
    await expect(readHeaders(file, [])).rejects.toThrow(expect.objectContaining({ name: 'UsageError' }))
  })
})

describe('--now', () => {
  it.each([
    ['sent', 1_760_000_000_000],
    ['1760000001', 1_760_000_001_000],
    ['2025-10-09T08:53:20Z', 1_760_000_000_000],
  ])('%s is a time', (text, timeMs) => {
    expect(readNow(text, headers)).toBe(timeMs)
  })

  it('is refused if it is not a time, or not known', () => {
    for (const text of ['yesterday', '2025-02-31', '10/09/2025'])
      expect(() => readNow(text, headers)).toThrow(expect.objectContaining({ name: 'UsageError' }))
    expect(() => readNow('sent', {})).toThrow(expect.objectContaining({ name: 'UsageError' }))
  })
})
