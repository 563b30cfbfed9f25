import { inspect } from 'node:util'
import { ConfigurationError } from './errors.ts'

/**
 * The error for an invalid option: names the option, what was expected and what was found.
 *
 * @param expectation completes "Expected `name` to be …".
 */
export function unexpected(name: string, value: unknown, expectation: string): ConfigurationError {
  // Objects are shown by type only: they may contain a password.
  const shown = Object(value) === value ? typeof value : inspect(value)
  return new ConfigurationError(`Expected ${name} to be ${expectation}, got ${shown}.`)
}

/**
 * Returns the value if it is a whole number from `min` to `max`, inclusive.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkWholeNumber(
  name: string,
  value: unknown,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
): number {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw unexpected(name, value, `a whole number from ${min} to ${max}`)
}

/** The known word that was probably meant: at most two edits away. */
export function closestTo(word: string, known: readonly string[]): string | undefined {
  // No known word is that long, and comparing longer words takes longer.
  return word.length > 64 ? undefined : known.find((one) => distanceBetween(word, one) <= 2)
}

/** The Levenshtein distance: the fewest insertions, deletions and substitutions that turn one word into the other. */
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
 * Rejects unknown options. Otherwise a misspelled `toleranceSecond` would silently leave the default in place.
 *
 * @returns a copy like that of `ownProperties`. Do not destructure it with `...rest`, which creates an object with a
 * prototype.
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkKnownOptions<Options extends object>(
  options: Options,
  known: Readonly<Record<string, unknown>>,
): Options {
  const names = Object.keys(known).sort().join(', ')
  // Text would be reported as the unknown option "0". It is not shown: it may be a secret or a URL with a password.
  if (Object(options) !== options) {
    const type = options === null ? 'null' : typeof options
    throw new ConfigurationError(`Expected an object of options, got ${type}. The options are ${names}.`)
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue
    const meant = closestTo(name, Object.keys(known)) ?? partlyNamed(name, Object.keys(known))
    const hint = meant === undefined ? '' : ` Did you mean ${meant}?`
    throw new ConfigurationError(`Unknown option ${JSON.stringify(name)}. The options are ${names}.${hint}`)
  }
  return ownProperties(options)
}

/** The known option whose name contains the word or is contained in it: `tolerance`, `signingSecret`. */
function partlyNamed(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase()
  return known.find(
    (one) => lower.includes(one.toLowerCase()) || (lower.length > 3 && one.toLowerCase().includes(lower)),
  )
}

/** @throws {ConfigurationError} `configuration_invalid`: one of the named options is set but is not a function. */
export function checkHooks<Options extends object>(options: Options, names: readonly (keyof Options & string)[]): void {
  for (const name of names) {
    const hook = options[name]
    if (hook !== undefined && typeof hook !== 'function') throw unexpected(name, hook, 'a function')
  }
}

/** @throws {ConfigurationError} `configuration_invalid`: the value lacks one of the methods. */
export function checkMethods<Value>(name: string, value: Value, methods: readonly (keyof Value & string)[]): void {
  if (methods.every((method) => typeof value?.[method] === 'function')) return
  throw unexpected(name, value, `an object with the methods ${methods.join(', ')}`)
}

/**
 * Checks the `path` option of an adapter.
 *
 * @throws {ConfigurationError} `configuration_invalid`: not an absolute path, or one with a query.
 */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && /^\/[^?#\s]*$/.test(path)) return path
  throw unexpected('path', path, "an absolute path, such as '/webhooks/scrapenest'")
}

/** Checks an optional `path`. Throws like `checkPath`. */
export function checkOptionalPath(path: unknown): void {
  if (path !== undefined) checkPath(path)
}

/** Drops undefined properties, so that an explicit `undefined` means the default. */
export function withoutUndefined<Properties extends object>(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as Properties
}

/** A copy without a prototype, so that a polluted `Object.prototype` sets no option. */
export function ownProperties<Properties extends object>(properties: Properties): Properties {
  return Object.assign(Object.create(null), properties)
}

/** The options, with the named ones always set because their defaults have been filled in. */
export type AlwaysSet<Options, Names extends keyof Options> = {
  readonly [Name in Names]-?: NonNullable<Options[Name]>
}
