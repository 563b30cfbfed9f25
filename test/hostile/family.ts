/** How much is tried: `short` inside the ordinary test run, `full` in `test:hostile`. */
export type Budget = 'short' | 'full'

export interface FamilyOptions {
  readonly budget: Budget
  /** What the made-up inputs begin with; the same seed makes the same inputs. */
  readonly seed: number
}

/** What one family of hostile inputs came to. */
export interface FamilyResult {
  readonly family: string
  readonly cases: number
  /** One line per failure, with what is needed to see it again. */
  readonly failures: readonly string[]
  /** Figures worth printing beside the counts. */
  readonly remarks: readonly string[]
}

export type Family = (options: FamilyOptions) => Promise<FamilyResult>

const maxFailures = 50

/** Counts cases and keeps the first failures. */
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

  /** One case, which fails unless the condition holds. */
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
