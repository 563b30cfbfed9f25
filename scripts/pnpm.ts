/** The pnpm version of this repository, so that every machine runs the same one. A test compares every other mention with it. */
export const pnpmVersion = '12.21.0'

/** A pnpm command for a shell on any platform, whatever pnpm is installed. */
export function pnpmCommand(parameters: string): string {
  return `npx -y pnpm@${pnpmVersion} ${parameters}`
}

/** What `npx` takes to run this repository's pnpm. */
export function pnpmParameters(...parameters: readonly string[]): readonly string[] {
  return ['-y', `pnpm@${pnpmVersion}`, ...parameters]
}
