/** The amount of work: `short` in `pnpm test`, `full` in `pnpm test:hostile`. */
export type Budget = 'short' | 'full'

export interface FamilyOptions {
  readonly budget: Budget
  /** Seed of the generated inputs. The same seed generates the same inputs. */
  readonly seed: number
}

/** The result of one family of hostile inputs. */
export interface FamilyResult {
  readonly family: string
  readonly cases: number
  /** One line per failure, with everything needed to reproduce it. */
  readonly failures: readonly string[]
  /** Figures to print with the counts. */
  readonly remarks: readonly string[]
}

export type Family = (options: FamilyOptions) => Promise<FamilyResult>

const maxFailures = 50

/** Counts cases and records the first failures. */
export class Tally {
  readonly #family: string
  readonly #failures: string[] = []
  readonly #remarks: string[] = []
  #cases = 0
  #unlisted = 0

  constructor(family: string) {
    this.#family = family
  }

  count(cases = 1): void {
    this.#cases += cases
  }

  fail(failure: string): void {
    if (this.#failures.length < maxFailures) this.#failures.push(failure)
    else this.#unlisted += 1
  }

  /** Counts a case, which fails unless the condition is true. */
  check(holds: boolean, failure: () => string): void {
    this.count()
    if (!holds) this.fail(failure())
  }

  remark(remark: string): void {
    this.#remarks.push(remark)
  }

  add({ cases, failures, remarks }: Omit<FamilyResult, 'family'>): void {
    this.count(cases)
    for (const failure of failures) this.fail(failure)
    for (const remark of remarks) this.remark(remark)
  }

  get result(): FamilyResult {
    const unlisted = this.#unlisted === 0 ? [] : [`and ${this.#unlisted} more`]
    return {
      family: this.#family,
      cases: this.#cases,
      failures: [...this.#failures, ...unlisted],
      remarks: this.#remarks,
    }
  }
}
