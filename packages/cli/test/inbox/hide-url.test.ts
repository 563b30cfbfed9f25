import { expect, it } from 'vitest'
import { hideUrl } from '../../src/inbox/hide-url.ts'

const url = 'redis://operator:TOP%21SECRET@db.example:6379/0'

it.each([
  ['the URL', `connect to ${url} failed`],
  ['the password', 'password TOP!SECRET is wrong'],
  ['the encoded password', 'password TOP%21SECRET is wrong'],
  ['the user name', 'role "operator" does not exist'],
])('hides %s in an error, and keeps its code', (_what, message) => {
  const hidden = hideUrl(Object.assign(new Error(message), { code: 'ECONNREFUSED' }), url) as NodeJS.ErrnoException
  expect(hidden.message).toContain('…')
  expect(`${hidden.message}${hidden.stack}`).not.toMatch(/TOP(!|%21)SECRET|operator/)
  expect(hidden.code).toBe('ECONNREFUSED')
})

it('leaves other errors unchanged', () => {
  const error = new Error('connect ECONNREFUSED 127.0.0.1:6379')
  expect(hideUrl(error, url)).toBe(error)
  expect(hideUrl(error, 'redis://127.0.0.1/')).toBe(error)
  expect(hideUrl('text', url)).toBe('text')
})
