import { ConfigurationError } from './errors.ts'

/** @throws {ConfigurationError} `configuration_invalid` */
export function checkWholeNumber(
  name: string,
  value: number,
  range: { readonly min: number; readonly max?: number },
): number {
  const { min, max = Number.MAX_SAFE_INTEGER } = range
  if (!Number.isInteger(value) || value < min || value > max) {
    const upTo = range.max === undefined ? '' : ` and at most ${max}`
    throw new ConfigurationError(
      `Expected ${name} to be a whole number of at least ${min}${upTo}, got ${String(value)}.`,
    )
  }
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
    if (options[name] === undefined || typeof options[name] === 'function') continue
    throw new ConfigurationError(`Expected ${name} to be a function, got ${typeof options[name]}.`)
  }
}

/** @throws {ConfigurationError} `configuration_invalid`: the value of this option lacks one of these methods. */
export function checkMethods<Value>(name: string, value: Value, methods: readonly (keyof Value & string)[]): Value {
  for (const method of methods) {
    if (typeof value?.[method] === 'function') continue
    throw new ConfigurationError(`Expected ${name} to be an object with ${methods.join(', ')}; it has no ${method}.`)
  }
  return value
}
