import { type Condition, type ConformanceResult, conditions, conformanceChecks } from '@scrapenest-webhooks/testing'

const letters: { readonly [Cell in ConformanceResult['cell']]: string } = {
  ours: '●',
  host: 'H',
  'not applicable': '·',
}

/** Prints one row per check and one column per host. Each cell has one character per condition, in the legend's order. */
export function printMatrix(results: ReadonlyMap<string, ConformanceResult>, hosts: readonly string[]): void {
  const width = Math.max(conditions.length, ...hosts.map((host) => host.length))
  const lines = [
    '',
    'Conformance: every check × host × condition',
    `  ${conditions.map((name, index) => `${index + 1} ${name}`).join(' · ')}`,
  ]
  lines.push('  ● ours   H the host answers first   · not applicable   ✗ failed', '')
  lines.push(`      ${hosts.map((host) => host.padEnd(width)).join('  ')}`)
  lines.push(
    `      ${hosts
      .map(() =>
        conditions
          .map((_, index) => index + 1)
          .join('')
          .padEnd(width),
      )
      .join('  ')}`,
  )
  for (const { id, name } of conformanceChecks) {
    const cells = hosts.map((host) =>
      conditions
        .map((condition) => letter(results, id, host, condition))
        .join('')
        .padEnd(width),
    )
    lines.push(`  ${id} ${cells.join('  ')}  ${name}`)
  }
  lines.push('', ...remarks(results))
  process.stdout.write(`${lines.join('\n')}\n`)
}

function letter(
  results: ReadonlyMap<string, ConformanceResult>,
  id: string,
  host: string,
  condition: Condition,
): string {
  const result = results.get(`${id}|${host}|${condition}`)
  return result === undefined ? '✗' : letters[result.cell]
}

/**
 * The cells where the receiver did not answer: one line per check, condition and reason, with the affected hosts.
 */
export function exceptionsOf(
  results: ReadonlyMap<string, ConformanceResult>,
  hosts: readonly string[],
): readonly string[] {
  return conformanceChecks.flatMap(({ id }) =>
    conditions.flatMap((condition) => {
      const concerned = new Map<string, string[]>()
      for (const host of hosts) {
        const reason = reasonOf(results.get(`${id}|${host}|${condition}`))
        if (reason !== undefined) concerned.set(reason, [...(concerned.get(reason) ?? []), host])
      }
      return [...concerned].map(
        ([reason, some]) =>
          `${id}, ${condition}, ${some.length === hosts.length ? 'every host' : some.join(' and ')}: ${reason}`,
      )
    }),
  )
}

function reasonOf(result: ConformanceResult | undefined): string | undefined {
  if (result === undefined) return 'failed'
  if (result.cell === 'ours') return undefined
  return result.cell === 'host' ? `the host answers first (${result.status})` : `not applicable (${result.reason})`
}

/** One line per reason, with its cells. */
function remarks(results: ReadonlyMap<string, ConformanceResult>): string[] {
  const cells = new Map<string, string[]>()
  for (const [cell, result] of results) {
    const reason = reasonOf(result)
    if (reason === undefined) continue
    cells.set(reason, [...(cells.get(reason) ?? []), cell.replaceAll('|', ', ')])
  }
  return [...cells].map(([reason, where]) => `  ${reason}: ${abridged(where)}`)
}

function abridged(cells: readonly string[]): string {
  return cells.length <= 4 ? cells.join('; ') : `${cells.slice(0, 3).join('; ')}; and ${cells.length - 3} more`
}
