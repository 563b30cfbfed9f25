/** The one pnpm that this repository runs, so that two machines run the same. A test finds every other mention of it. */
export const pnpmVersion = '12.21.0'

/** A pnpm command as a shell of any platform reads it, whatever pnpm the machine has. */
export function pnpmCommand(parameters: string): string {
  return `npx -y pnpm@${pnpmVersion} ${parameters}`
}
