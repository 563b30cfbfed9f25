import { runInNewContext, runInThisContext } from 'node:vm'

/**
 * Values that a handler can throw, each with the message that an inbox records. They are code, to be evaluated in this realm and
 * in another (Jest, jsdom, `node:vm`).
 */
const table: readonly (readonly [what: string, code: string, message: string | RegExp])[] = [
  ['undefined', 'undefined', 'undefined'],
  ['null', 'null', 'null'],
  ['empty text', "''", ''],
  ['text', "'text'", 'text'],
  ['NaN', 'NaN', 'NaN'],
  ['false', 'false', 'false'],
  ['a BigInt', '10n', '10'],
  ['a symbol', "Symbol('x')", 'Symbol(x)'],
  ['a function', '() => {}', '() => {}'],
  ['a class', 'class Failure {}', 'class Failure {}'],
  ['an array', '[1, [2]]', '1,2'],
  ['an object without a prototype', 'Object.create(null)', /cannot be shown/],
  ['an object that contains itself', '(() => { const o = {}; o.o = o; return o })()', '[object Object]'],
  ['an error', "new RangeError('far')", 'far'],
  ['an error without a message', 'new Error()', ''],
  ['a frozen error', "Object.freeze(new Error('x'))", 'x'],
  ['an error with a message of null', "Object.assign(new Error('x'), { message: null })", ''],
  ['an error with a BigInt as its message', "Object.assign(new Error('x'), { message: 10n })", '10'],
  ['an error with a symbol as its message', "Object.assign(new Error('x'), { message: Symbol('y') })", 'Symbol(y)'],
  [
    'an error whose message contains the error',
    "(() => { const e = new Error('x'); return Object.assign(e, { message: { e, toString: undefined } }) })()",
    /cannot be shown/,
  ],
  ['an error whose cause is the error', "(() => { const e = new Error('x'); e.cause = e; return e })()", 'x'],
  ['an error with a stack of null', "Object.assign(new Error('x'), { stack: null })", 'x'],
  ['an error with a list as its stack', "Object.assign(new Error('x'), { stack: [1n] })", 'x'],
  ['an error with a symbol as its name', "Object.assign(new Error('x'), { name: Symbol('y') })", 'x'],
  [
    'an error with a name that contains the error',
    "(() => { const e = new Error('x'); e.name = { e, toString: null }; return e })()",
    'x',
  ],
  [
    'an error whose fields throw',
    "Object.defineProperties(new Error('x'), Object.fromEntries(['name', 'message', 'stack', 'code', 'cause', 'library'].map(f => [f, { get() { throw new Error('hostile') } }])))",
    /./,
  ],
  ['an error whose toJSON throws', "Object.assign(new Error('x'), { toJSON() { throw new Error('hostile') } })", 'x'],
  ['an error whose toString throws', "Object.assign(new Error('x'), { toString() { throw this } })", 'x'],
  [
    'an object whose conversion to text returns an object',
    '({ [Symbol.toPrimitive]: () => ({}), message: undefined })',
    /cannot be shown/,
  ],
  ['an AggregateError', "new AggregateError([new Error('one'), 2n], 'both')", 'both Error: one 2'],
  ['an AggregateError without errors', "Object.assign(new AggregateError([], 'none'), { errors: undefined })", 'none'],
  ['an AggregateError with a list that throws', aggregateOf('new Proxy([], { get() { throw 1 } })'), 'all'],
  ['an AggregateError with an endless list', aggregateOf('new Array(4294967295)'), /^all( undefined){10}$/],
  ['a proxy that throws', "new Proxy({}, { get() { throw new Error('hostile') } })", /cannot be shown/],
  ['a proxy of an error', "new Proxy(new Error('x'), {})", 'x'],
  ['a revoked proxy', '(() => { const p = Proxy.revocable({}, {}); p.revoke(); return p.proxy })()', /cannot be shown/],
  ['a message of a megabyte', "new Error('🔑'.repeat(2 ** 18))", /^🔑{4096}…$/u],
  ['a message with half a surrogate pair and U+0000', "new Error('a\\0b\\ud800c')", /^a.b.c$/u],
  ['a thenable', '({ then(resolve) { resolve() } })', '[object Object]'],
  ['a thenable that throws', "({ get then() { throw new Error('hostile') } })", '[object Object]'],
  [
    'a rejected promise',
    "(() => { const p = Promise.reject(new Error('x')); p.catch(() => {}); return p })()",
    /Promise/,
  ],
  [
    'an imitation of an error of this library with an unknown code',
    "Object.assign(new Error('x'), { library: 'scrapenest-webhooks', code: 'no_code' })",
    'x',
  ],
  [
    'an imitation of a handler_failed without a cause',
    "Object.assign(new Error('x'), { library: 'scrapenest-webhooks', code: 'handler_failed' })",
    'undefined',
  ],
  ['an error with the code of a system error', "Object.assign(new Error('open'), { code: 'EACCES' })", 'open'],
]

function aggregateOf(errors: string): string {
  return `Object.assign(new AggregateError([], 'all'), { errors: ${errors} })`
}

export const realms = ['this realm', 'another realm'] as const

export type Realm = (typeof realms)[number]

export interface ThrownValue {
  readonly what: string
  readonly value: unknown
  readonly message: string | RegExp
}

export function thrownValues(realm: Realm): readonly ThrownValue[] {
  const evaluate = realm === 'this realm' ? runInThisContext : (code: string) => runInNewContext(code)
  return table.map(([what, code, message]) => ({ what, value: evaluate(`(${code})`), message }))
}

/** Throws or rejects, which must be the same failure. */
export function throwFrom(value: unknown, how: 'throw' | 'reject'): Promise<never> {
  if (how === 'throw') throw value
  return Promise.reject(value)
}
