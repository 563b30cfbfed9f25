import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { confirm } from '../../src/terminal/confirm.ts'

afterEach(() => vi.restoreAllMocks())

/** Input that looks like a terminal on which a person types. */
function terminal(keys: string): NodeJS.ReadStream {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  input.end(keys)
  return input as unknown as NodeJS.ReadStream
}

describe('confirm', () => {
  it.each([
    ['y\n', true],
    ['Yes\n', true],
    ['n\n', false],
    ['\n', false],
    ['yesterday\n', false],
    ['', false],
  ])('takes %j for %s', async (keys, expected) => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    expect(await confirm('delete ep_1', terminal(keys))).toBe(expected)
    expect(write).toHaveBeenCalledExactlyOnceWith('Really delete ep_1? [y/N] ')
  })

  it('refuses without a terminal, and names --yes', async () => {
    const input = new PassThrough() as unknown as NodeJS.ReadStream
    await expect(confirm('delete ep_1', input)).rejects.toThrow(
      expect.objectContaining({ name: 'UsageError', message: expect.stringContaining('--yes') }),
    )
  })
})
