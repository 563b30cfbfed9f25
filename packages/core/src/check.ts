import { inspect } from 'node:util'
import { ConfigurationError } from './errors.ts'

/**
 * The error for an option of the wrong kind: names the option, what was expected and what was found.
 *
 * @param expectation what follows "Expected `name` to be".
 */
export function unexpected(name: string, value: unknown, expectation: string): ConfigurationError {
  // An object is only named by its type: it may hold a password.
  const shown = Object(value) === value ? typeof value : inspect(value)
  return new ConfigurationError(`Expected ${name} to be ${expectation}, got ${shown}.`)
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkWholeNumber(
  name: string,
  value: unknown,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
): number {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw unexpected(name, value, `a whole number from ${min} to ${max}`)
}

/** The word that a misspelled one probably means: one or two letters away. */
export function closestTo(word: string, known: readonly string[]): string | undefined {
  // A longer word is none of ours, and comparing takes time in proportion.
  return word.length > 64 ? undefined : known.find((one) => distanceBetween(word, one) <= 2)
}

/** How many letters must be inserted, deleted or replaced to make one word the other (Levenshtein). */
function distanceBetween(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [row, letter] of [...one].entries()) {
    const current = [row + 1]
    for (const [column, otherLetter] of [...other].entries()) {
      const replaced = (previous[column] as number) + (letter === otherLetter ? 0 : 1)
      current.push(Math.min(replaced, (previous[column + 1] as number) + 1, (current[column] as number) + 1))
    }
    previous = current
  }
  return previous.at(-1) as number
}

/**
 * Rejects unknown options, because a misspelt `toleranceSecond` would otherwise silently be the default.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkKnownOptions(options: object, known: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue
    const names = Object.keys(known).sort().join(', ')
    const meant = closestTo(name, Object.keys(known)) ?? partlyNamed(name, Object.keys(known))
    const hint = meant === undefined ? '' : ` Did you mean ${meant}?`
    throw new ConfigurationError(`Unknown option ${JSON.stringify(name)}. The options are ${names}.${hint}`)
  }
}

/** The option whose name contains the word, or is contained in it: `tolerance`, `signingSecret`. */
function partlyNamed(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase()
  return known.find(
    (one) => lower.includes(one.toLowerCase()) || (lower.length > 3 && one.toLowerCase().includes(lower)),
  )
}

/** @throws {ConfigurationError} `configuration_invalid`: one of these is set and is not a function. */
export function checkHooks<Options extends object>(options: Options, names: readonly (keyof Options & string)[]): void {
  for (const name of names) {
    const hook = options[name]
    if (hook !== undefined && typeof hook !== 'function') throw unexpected(name, hook, 'a function')
  }
}

/** @throws {ConfigurationError} `configuration_invalid`: the value lacks one of these methods. */
export function checkMethods<Value>(name: string, value: Value, methods: readonly (keyof Value & string)[]): void {
  if (methods.every((method) => typeof value?.[method] === 'function')) return
  throw unexpected(name, value, `an object with the methods ${methods.join(', ')}`)
}

/**
 * Checks the `path` option of an adapter.
 *
 * @throws {ConfigurationError} `configuration_invalid`: not an absolute path without query.
 */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && /^\/[^?#\s]*$/.test(path)) return path
  throw unexpected('path', path, "an absolute path, such as '/webhooks/scrapenest'")
}

/** Checks a `path` option that may be left out. Throws like `checkPath`. */
export function checkOptionalPath(path: unknown): void {
  if (path !== undefined) checkPath(path)
}

/** The properties that are set: an explicit `undefined` means the default. */
export function withoutUndefined<Properties extends object>(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as Properties
}

/** Options that have a default, after it was filled in. */
export type AlwaysSet<Options, Names extends keyof Options> = {
  readonly [Name in Names]-?: NonNullable<Options[Name]>
}
