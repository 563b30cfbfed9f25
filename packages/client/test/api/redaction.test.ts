import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createRedaction } from '../../src/api/redaction.ts'
import { ScrapeNestClient } from '../../src/index.ts'
import { failureOf } from '../failure-of.ts'
import { startStub } from '../stub-server.ts'

const token = 'eyJhbGciOi/IUzI1+NiJ9.c2Vj=='
const quoted = JSON.stringify({ error: { code: 'x', message: `token ${token} expired` } })

/** The part of this response body that an error shows. */
async function shownOf(body: string): Promise<string> {
  const { url } = await startStub({ status: 400, body })
  const client = new ScrapeNestClient({ accessToken: token, baseUrl: url, maxRetries: 0 })
  const error = await failureOf(client.jobs.get('job_1'))
  expect(error).toMatchObject({ code: 'request_invalid', body: expect.any(String) })
  const { body: shownBody } = error as { readonly body: string }
  return `${inspect(error, { depth: 9, showHidden: true })} ${JSON.stringify(error)} ${shownBody}`
}

describe('a credential that an error response quotes', () => {
  it.each([
    ['as it is', quoted],
    ['with \\/, as in PHP', quoted.replaceAll('/', '\\/')],
    ['with \\u003d, as in Gson', quoted.replaceAll('=', '\\u003d')],
    ['with \\u003D and \\u002B', quoted.replaceAll('=', '\\u003D').replaceAll('+', '\\u002B')],
    ['with \\/ and \\u003d', quoted.replaceAll('/', '\\/').replaceAll('=', '\\u003d')],
    [
      'as JSON within a text of JSON',
      JSON.stringify({ error: quoted.replaceAll('/', '\\/').replaceAll('=', '\\u003d') }),
    ],
    ['twice', quoted + quoted],
  ])('is redacted %s', async (_how, body) => {
    const shown = await shownOf(body)
    expect(shown).toContain('[redacted]')
    expect(shown).not.toContain('eyJ')
    expect(shown).not.toContain('c2Vj')
  })

  it('is redacted even if the end of the kept part cuts through it', async () => {
    for (const kept of [1, 10, token.length - 1, token.length]) {
      const shown = await shownOf(`${'x'.repeat(8192 - kept)}${token}REST`)
      expect(shown).toContain('[redacted]')
      expect(shown).not.toContain('eyJ')
    }
  })
})

describe('the beginning of a body', () => {
  const { beginningOf, neededBytes } = createRedaction('k=/', { maxBytes: 8 })

  it.each([
    ['12345678', '12345678'],
    ['123456789', '12345678'],
    ['12345k=/', '12345[redacted]'],
    ['123456k=/9', '123456[redacted]'],
    ['1234567k\\\\\\u003d\\\\\\/9', '1234567[redacted]'],
    ['12345678k=/', '12345678'],
    ['k=/k=/k=/k=/', '[redacted][redacted][redacted]'],
    ['über1234', 'über123'],
    ['k=/ü', '[redacted]ü'],
  ])('of %s is %s', (body, beginning) => {
    expect(beginningOf(Buffer.from(body).subarray(0, neededBytes))).toBe(beginning)
  })
})
