import { describe, expect, it } from 'vitest'
import { checkHooks, checkKnownOptions, checkPath, checkWholeNumber } from '../src/adapter.ts'
import { checkMethods, unexpected, withoutUndefined } from '../src/check.ts'
import { refusal } from './deliveries.ts'

describe('unexpected', () => {
  it.each<[unknown, string]>([
    ['text', "got 'text'."],
    [7n, 'got 7n.'],
    [undefined, 'got undefined.'],
    [null, 'got null.'],
    [Symbol('s'), 'got Symbol(s).'],
    [{ password: 'hunter2' }, 'got object.'],
    [['hunter2'], 'got object.'],
    [() => 'hunter2', 'got function.'],
  ])('shows %o, but nothing inside an object', (value, shown) => {
    const error = unexpected('store', value, 'a store')
    expect(error).toEqual(refusal('configuration_invalid', `Expected store to be a store, ${shown}`))
    expect(error.message).not.toContain('hunter2')
  })
})

describe('checkWholeNumber', () => {
  it.each([1, 10])('returns %d, a limit of the range', (value) => {
    expect(checkWholeNumber('number', value, { min: 1, max: 10 })).toBe(value)
  })

  it.each([0, 11, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', 5n, undefined, null])('rejects %o', (value) => {
    expect(() => checkWholeNumber('number', value, { min: 1, max: 10 })).toThrow(
      refusal('configuration_invalid', 'Expected number to be a whole number from 1 to 10'),
    )
  })

  it('rejects a number that is not exact', () => {
    expect(checkWholeNumber('number', Number.MAX_SAFE_INTEGER, { min: 0 })).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => checkWholeNumber('number', Number.MAX_SAFE_INTEGER + 1, { min: 0 })).toThrow(
      refusal('configuration_invalid'),
    )
  })
})

describe('checkKnownOptions', () => {
  it('accepts any of the known options, set or not', () => {
    expect(() => checkKnownOptions({ path: '/' }, { secret: true, path: true })).not.toThrow()
  })

  it.each(['paths', 'constructor', 'toString', '__proto__'])('rejects %s and lists the options', (name) => {
    expect(() => checkKnownOptions(JSON.parse(`{"${name}":1}`), { secret: true, path: true })).toThrow(
      refusal('configuration_invalid', `Unknown option "${name}". The options are path, secret.`),
    )
  })

  it.each([
    ['text, without showing it', 'whsec_1', 'string'],
    ['null', null, 'null'],
    ['a number', 7, 'number'],
  ])('rejects %s in place of an object', (_given, options, type) => {
    const check = () => checkKnownOptions(options as unknown as object, { secret: true, path: true })
    const said = `Expected an object of options, got ${type}. The options are path, secret.`
    expect(check).toThrow(refusal('configuration_invalid', said))
  })
})

describe('the suggestion for an unknown option', () => {
  const known = { maxBodyBytes: true, onEvent: true, path: true, secret: true, toleranceSeconds: true }

  it.each([
    ['toleranceSecond', 'toleranceSeconds'],
    ['pth', 'path'],
    ['tolerance', 'toleranceSeconds'],
    ['signingSecret', 'secret'],
    ['bodybytes', 'maxBodyBytes'],
  ])('for %s is %s', (name, meant) => {
    expect(() => checkKnownOptions({ [name]: 1 }, known)).toThrow(
      refusal('configuration_invalid', `Did you mean ${meant}?`),
    )
  })

  it.each(['handlers', 'id', 'timeout'])('for %s is missing, because no option is similar', (name) => {
    expect(() => checkKnownOptions({ [name]: 1 }, known)).toThrow(/toleranceSeconds\. https:\S+$/)
  })
})

describe('checkHooks', () => {
  it('accepts functions and undefined', () => {
    expect(() => checkHooks({ onError: () => {}, onDelivery: undefined }, ['onError', 'onDelivery'])).not.toThrow()
  })

  it.each([null, 'log', {}, 0])('rejects %o', (onError) => {
    expect(() => checkHooks({ onError }, ['onError'])).toThrow(
      refusal('configuration_invalid', 'Expected onError to be a function'),
    )
  })
})

describe('checkMethods', () => {
  it('accepts methods of a prototype', () => {
    expect(() => checkMethods('map', new Map(), ['get', 'set'])).not.toThrow()
  })

  it.each([{ warn() {} }, { warn() {}, error: true }, {}, null, undefined, 7])('rejects %o', (logger) => {
    expect(() => checkMethods('logger', logger as unknown as Console, ['warn', 'error'])).toThrow(
      refusal('configuration_invalid', 'Expected logger to be an object with the methods warn, error'),
    )
  })
})

describe('checkPath', () => {
  it.each(['/', '/webhooks/scrapenest', '/a/'])('returns %s', (path) => {
    expect(checkPath(path)).toBe(path)
  })

  it.each(['', 'webhooks', '/a?b', '/a#b', '/a b', '/a\n', undefined, null, 7, /a/])('rejects %o', (path) => {
    expect(() => checkPath(path)).toThrow(refusal('configuration_invalid', 'Expected path to be an absolute path'))
  })
})

describe('withoutUndefined', () => {
  it('removes only undefined properties', () => {
    const properties = { a: undefined, b: null, c: 0, d: '', e: false }
    expect(Object.keys(withoutUndefined(properties))).toEqual(['b', 'c', 'd', 'e'])
  })
})
