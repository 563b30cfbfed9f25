import { describe, expect, it, vi } from 'vitest'
import { ConfigurationError, WebhookError } from '../../src/index.ts'
import { readSecretOption, type SecretOption } from '../../src/receive/request-secrets.ts'
import { parseSecret, type SecretResult } from '../../src/verify/secret.ts'
import { answer, deliver, failing, otherSecret, refusal, secret, testReceiver } from '../deliveries.ts'

const find = async (option: SecretOption<unknown>) =>
  (await readSecretOption(option, 'at once').find(deliver(), undefined))?.secrets

describe('the secret option', () => {
  it.each<[string, SecretOption<unknown>]>([
    ['a list', [otherSecret, secret]],
    ['a function', () => [otherSecret, secret]],
    ['an async function', async () => [otherSecret, secret]],
  ])('may be %s of secrets, in any order', async (_form, option) => {
    expect(await find(option)).toEqual([parseSecret(otherSecret), parseSecret(secret)])
  })

  it.each<[string, SecretOption<unknown>]>([
    ['text', secret],
    ['a function', () => secret],
  ])('may be %s', async (_form, option) => {
    const [found, ...others] = (await find(option)) ?? []
    expect(found).toBe(parseSecret(secret))
    expect(others).toEqual([])
  })

  it('is parsed once unless it is a function', () => {
    const { find: findAgain } = readSecretOption(secret, 'at once')
    expect(findAgain(deliver(), undefined)).toBe(findAgain(deliver(), undefined))
  })

  it.each([secret, [secret, otherSecret], () => secret])('has nothing to warn about: %o', (option) => {
    expect(readSecretOption(option, 'at once').warnings).toEqual([])
  })

  it('warns about short and public secrets in a list, once each', () => {
    const short = Buffer.alloc(23, 'k').toString('base64')
    const zeros = Buffer.alloc(32).toString('base64')
    expect(readSecretOption([secret, short, zeros, zeros], 'at once').warnings).toEqual([
      'A signing secret is shorter than 24 bytes.',
      expect.stringContaining('anyone can sign with it'),
    ])
  })
})

describe('a secret function', () => {
  it('may return a scope with a secret, a list, or none', async () => {
    const findScoped = async (secrets: SecretResult) =>
      await readSecretOption(() => ({ secret: secrets, scope: 'tenant' }), 'at once').find(deliver(), undefined)
    expect(await findScoped(secret)).toEqual({ secrets: [parseSecret(secret)], scope: 'tenant' })
    expect(await findScoped([otherSecret, secret])).toMatchObject({ scope: 'tenant' })
    expect(await findScoped(undefined)).toBeUndefined()
    expect(await readSecretOption(secret, 'at once').find(deliver(), undefined)).toMatchObject({ scope: '' })
  })

  it.each([7, null, undefined, {}])('must not return the scope %o', async (scope) => {
    await expect(find(() => ({ secret, scope: scope as string }))).rejects.toEqual(refusal('configuration_invalid'))
  })

  it('gets the request and its context', async () => {
    const resolve = vi.fn(() => secret)
    const request = deliver()
    await readSecretOption(resolve, 'at once').find(request, 'context')
    expect(resolve.mock.calls).toEqual([[request, 'context']])
  })

  it.each([undefined, null, '', [], [''], [undefined]])('finds nothing with %o', async (found) => {
    expect(await find(() => found as string)).toBeUndefined()
    expect(await find(async () => found as string)).toBeUndefined()
  })

  it.each(['not a secret', 7, [secret, undefined], [secret, ''], Array(9).fill(secret)])(
    'must not return %o',
    async (result) => {
      await expect(find(() => result as string)).rejects.toEqual(refusal('configuration_invalid'))
      const receiver = testReceiver({ secret: () => result as string })
      expect(await answer(receiver)).toEqual({ status: 500, body: { error: 'configuration_invalid' } })
    },
  )

  it.each<[string, () => never]>([
    ['an error', failing(new Error('vault'))],
    ['a configuration error', failing(new ConfigurationError('vault'))],
    ['nothing', failing(undefined)],
  ])('that throws %s makes the secret unavailable', async (_thrown, resolve) => {
    await expect(find(resolve)).rejects.toMatchObject({ code: 'secret_unavailable' })
    await expect(find(async () => resolve())).rejects.toMatchObject({ code: 'secret_unavailable' })
  })

  it('may throw secret_unavailable itself, with a reason for the operator', async () => {
    const error = new WebhookError('secret_unavailable', 'The vault is sealed.')
    await expect(find(failing(error))).rejects.toBe(error)
  })
})

describe('an unset secret', () => {
  const unset = [undefined, null, '', [], [''], [undefined, '']] as readonly SecretOption<unknown>[]

  it.each(unset)('throws immediately: %o', (option) => {
    expect(() => readSecretOption(option, 'at once')).toThrow(refusal('configuration_invalid', 'No signing secret.'))
  })

  it.each(unset)('makes start and requests fail if it is reported late: %o', (option) => {
    const { find: findLate, startError, warnings } = readSecretOption(option, 'late')
    expect(startError).toEqual(refusal('configuration_invalid', 'No signing secret.'))
    expect(() => findLate(deliver(), undefined)).toThrow(startError)
    expect(warnings).toEqual([])
  })

  it.each(['whsec_', '"quoted"', [secret, ''], [undefined, secret]])('is not a malformed one: %o throws', (option) => {
    expect(() => readSecretOption(option, 'late')).toThrow(refusal('configuration_invalid'))
  })
})
