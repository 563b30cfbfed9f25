import { spawn } from 'node:child_process'

/** Runs a program in this folder, where it can import the client. The exit code is null if it cannot be started. */
export function run(
  command: string,
  parameters: readonly string[],
): Promise<{ exitCode: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { cwd: import.meta.dirname })
    let stdout = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.once('error', () => resolve({ exitCode: null, stdout }))
    child.once('close', (exitCode) => resolve({ exitCode, stdout }))
  })
}
