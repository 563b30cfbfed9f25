import { inspect } from 'node:util'
import { ConfigurationError } from './errors.ts'

/**
 * The error for a value that is not what an option takes: one sentence that names it, says what is expected, and shows
 * what came.
 *
 * @param expectation what follows "Expected `name` to be".
 */
export function unexpected(name: string, value: unknown, expectation: string): ConfigurationError {
  // Of an object no more than that it is one: it may hold a password.
  const shown = Object(value) === value ? typeof value : inspect(value)
  return new ConfigurationError(`Expected ${name} to be ${expectation}, got ${shown}.`)
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkWholeNumber(
  name: string,
  value: number,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw unexpected(name, value, `a whole number from ${min} to ${max}`)
}

/**
 * Refuses what is no option: a misspelt `toleranceSecond` must not be a default in disguise.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkKnownOptions(options: object, known: Readonly<Record<string, true>>): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue
    const names = Object.keys(known).sort().join(', ')
    throw new ConfigurationError(`Unknown option ${JSON.stringify(name)}. The options are ${names}.`)
  }
}

/** @throws {ConfigurationError} `configuration_invalid`: one of these is given and is no function. */
export function checkHooks<Options extends object>(options: Options, names: readonly (keyof Options & string)[]): void {
  for (const name of names) {
    const hook = options[name]
    if (hook !== undefined && typeof hook !== 'function') throw unexpected(name, hook, 'a function')
  }
}

/** @throws {ConfigurationError} `configuration_invalid`: the value of this option lacks one of these methods. */
export function checkMethods<Value>(name: string, value: Value, methods: readonly (keyof Value & string)[]): void {
  if (methods.every((method) => typeof value?.[method] === 'function')) return
  throw unexpected(name, value, `an object with the methods ${methods.join(', ')}`)
}

/** The properties that say something: `undefined` gives nothing. */
export function defined<Properties extends object>(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as Properties
}
