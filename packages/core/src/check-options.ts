import { inspect } from 'node:util'
import { ConfigurationError } from './errors.ts'

/**
 * Refuses an option with a sentence that names it, says what is expected, and shows what came.
 *
 * @param isRight whether the value is as expected.
 * @param expectation what follows "Expected `name` to be".
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkOption(name: string, value: unknown, isRight: boolean, expectation: string): void {
  if (isRight) return
  // Of an object no more than that it is one: it may hold a password.
  const shown = Object(value) === value ? typeof value : inspect(value)
  throw new ConfigurationError(`Expected ${name} to be ${expectation}, got ${shown}.`)
}

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkWholeNumber(
  name: string,
  value: number,
  { min, max }: { readonly min: number; readonly max?: number },
): number {
  const isRight = Number.isSafeInteger(value) && value >= min && value <= (max ?? value)
  checkOption(
    name,
    value,
    isRight,
    `a whole number of at least ${min}${max === undefined ? '' : ` and at most ${max}`}`,
  )
  return value
}

/**
 * Refuses what is no option: a misspelt `toleranceSecond` must not be a default in disguise.
 *
 * @throws {ConfigurationError} `configuration_invalid`
 */
export function checkKnownOptions(options: object, known: Readonly<Record<string, true>>): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue
    throw new ConfigurationError(
      `Unknown option ${JSON.stringify(name)}. The options are ${Object.keys(known).sort().join(', ')}.`,
    )
  }
}

/** @throws {ConfigurationError} `configuration_invalid`: one of these is given and is no function. */
export function checkHooks<Options extends object>(options: Options, names: readonly (keyof Options & string)[]): void {
  for (const name of names) {
    const hook = options[name]
    checkOption(name, hook, hook === undefined || typeof hook === 'function', 'a function')
  }
}

/** @throws {ConfigurationError} `configuration_invalid`: the value of this option lacks one of these methods. */
export function checkMethods<Value>(name: string, value: Value, methods: readonly (keyof Value & string)[]): Value {
  const isRight = methods.every((method) => typeof value?.[method] === 'function')
  checkOption(name, value, isRight, `an object with the methods ${methods.join(', ')}`)
  return value
}
